"""The rig of faults: kills, errors of the disk, full disks, races and damaged files, against the program itself.

`pytest tests/faults` runs a sample of every kind; `python -m tests.faults --report FILE` runs all of it.
"""
