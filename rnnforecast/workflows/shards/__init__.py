"""Forecasts of many files by several workers: who does which, and what is done."""
