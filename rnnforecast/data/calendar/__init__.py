"""Frequency, closed days and season length."""
