"""The command line: one thin file a command; each parses, makes one call of the Python API, and shows the result."""
