"""Zero-shot ensembles: members weighted per series by their losses on its most recent windows."""
