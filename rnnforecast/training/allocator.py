"""Memory that a training step frees stays with the process, so that the next step need not ask for it again."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# buffers of a step are below this; some versions of glibc reject more than half of its largest heap, 32 MiB
LARGEST_THRESHOLDS = (1 << 30, 1 << 25)


def keep_freed_memory() -> bool:
    """Tell glibc to serve large buffers from its heap and to keep them; return whether it did.

    By default it maps each anew and unmaps it when freed, and the kernel clears every page of it: up to half of the
    time of a step of an LSTM. Other allocators are not changed.
    """
    libc = _glibc()
    if libc is None:
        return False
    mapped = any(libc.mallopt(M_MMAP_THRESHOLD, threshold) for threshold in LARGEST_THRESHOLDS)
    return bool(libc.mallopt(M_TRIM_THRESHOLD, LARGEST_THRESHOLDS[0])) and mapped


def return_freed_memory() -> None:
    """Return freed memory that `keep_freed_memory` kept."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library where it is glibc; musl, macOS and Windows have none of these calls or others."""
    if sys.platform != "linux":
        return None
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return None
    return ctypes.CDLL(None) if version.startswith("glibc") else None
