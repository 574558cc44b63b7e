"""Forecasts compared with actuals, freshness of rows, and drift."""
