"""The verbs: one function a command, the same for the shell and for Python."""
