"""The recurrent networks as torch modules: tensors in, tensors out, never a table."""
