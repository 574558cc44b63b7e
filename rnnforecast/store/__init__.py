"""What stays on disk: files replaced whole, the model file, and the store of named versions."""
