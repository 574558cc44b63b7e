"""Searching settings within a time budget."""
