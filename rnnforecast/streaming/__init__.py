"""Rows one at a time: networks that keep their hidden state, scores of the newest value, lines in and out."""
