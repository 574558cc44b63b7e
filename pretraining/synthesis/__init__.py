"""Synthetic series that look like the series people keep: the corpus on which the shipped weights are trained."""
