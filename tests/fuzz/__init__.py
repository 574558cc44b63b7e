"""Fuzzing of every door that takes bytes of strangers; a script of its own, not collected by pytest."""
