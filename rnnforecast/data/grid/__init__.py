"""Rows on a regular grid: duplicates, gaps, resampling, missing values."""
