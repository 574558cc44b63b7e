"""Fault injection: kills, disk errors, full disks, races and damaged files, against the program itself. See README.md.

`pytest tests/faults` runs a sample of every kind; `python -m tests.faults --report FILE` runs all of it.
"""
