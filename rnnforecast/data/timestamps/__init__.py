"""Timestamps from text, numbers or several columns, and their time zones."""
