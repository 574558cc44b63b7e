"""Jobs run in processes of their own."""
