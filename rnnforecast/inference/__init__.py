"""The forward pass of every network in plain NumPy equations; never imports torch."""
