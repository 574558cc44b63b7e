"""The record of a run: ledger, events, logs, digests and metrics."""
