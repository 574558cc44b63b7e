"""What the bytes of a fit depend on beside data and settings: processor, its instructions, number of threads."""

from __future__ import annotations

import platform

import torch


def describe_machine() -> str:
    """Return a line that is the same wherever the same fit gives the same bytes."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    instructions = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} {instructions} {device} {torch.get_num_threads()} threads"
