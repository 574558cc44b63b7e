"""The jobs file: its keys, their values, and every error with its line."""
