"""Pretrain the network that forecasts without training, on synthetic series alone."""
