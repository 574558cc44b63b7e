"""Forecasts of a panel, and the tables they are returned in."""
