"""Running jobs: their steps, processes, outcomes and signals."""
