"""Pre-training of the network `base`: synthetic series, the loop, validation, export. Not part of the package."""
