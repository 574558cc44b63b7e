"""New series from old ones: convex combinations of two or three, and stretched time."""

from __future__ import annotations

import numpy as np

from pretraining.synthesis.frames import Frame, Indices, Paths, to_unit


def mix(frame: Frame, paths: Paths, rows: Indices) -> None:
    """Replace `rows` by convex combinations with other rows, in place, on their own level and scale."""
    if not len(rows):
        return
    part = frame.pick(rows)
    seen, count = part.visible(), part.spans[:, None].astype(np.float32)
    mean = (paths[rows] * seen).sum(axis=1, keepdims=True) / count
    spread = np.sqrt((np.square(paths[rows] - mean) * seen).sum(axis=1, keepdims=True) / count)
    shares = part.rng.dirichlet((1.5, 1.0, 0.6), size=len(rows)).astype(np.float32)
    total = to_unit(paths[rows], part) * shares[:, :1]
    for place in (1, 2):
        partners = part.rng.integers(0, frame.num_series, len(rows))
        total += to_unit(paths[partners], part) * shares[:, place : place + 1]
    paths[rows] = mean + spread * np.clip(to_unit(total, part), -12, 12)


def stretch(frame: Frame, paths: Paths, rows: Indices) -> None:
    """Let time run faster and slower along `rows`, in place, by linear interpolation."""
    if not len(rows):
        return
    part = frame.pick(rows)
    time = np.linspace(0, 1, frame.length, dtype=np.float32)[None, :]
    waves = np.round(part.uniform(1, 3))
    shift = (
        part.uniform(0.05, 0.9) / (2 * np.pi * waves) * np.sin(2 * np.pi * (waves * time)) * np.sign(part.normals(1))
    )
    place = np.clip(time + shift, 0, 1) * (frame.length - 1)
    left = np.minimum(place.astype(np.int64), frame.length - 2)
    share = (place - left).astype(np.float32)
    old = paths[rows]
    paths[rows] = np.take_along_axis(old, left, 1) * (1 - share) + np.take_along_axis(old, left + 1, 1) * share
