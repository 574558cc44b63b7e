"""Read files as series in memory, and write tables to files."""
