"""Forecast time series with recurrent networks, from the command line or from Python."""
