"""`batch`: many jobs from one TOML file, unattended; one bad job never hurts another."""
