"""Models in memory to and from model files."""
