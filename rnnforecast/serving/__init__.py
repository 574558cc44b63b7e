"""Forecasts over HTTP: a server in front of processes that forecast; needs the extra `serve`."""
