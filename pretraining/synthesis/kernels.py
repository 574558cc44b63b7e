"""Gaussian processes with mixed kernels, sampled through their spectra.

A stationary Gaussian process is white noise in the frequency domain, weighted by the root of the kernel's spectral
density (Shinozuka & Deodatis 1991). So every series may have kernels of its own at the price of one transform: a
sum of kernels is a sum of densities. Twice the length is sampled, and half thrown away, because the transform
wraps around.
"""

from __future__ import annotations

import numpy as np

from pretraining.synthesis.frames import Component, Frame, Paths, draw_families, to_unit


def from_spectrum(frame: Frame, density: Paths) -> Paths:
    """Gaussian paths `[num_series, length]` with spectral density `[num_series, length + 1]`, unit variance."""
    root = np.sqrt(density, dtype=np.float32)
    root[:, 0] = 0
    waves = np.empty(root.shape, dtype=np.complex64)
    waves.real = frame.normals(frame.length + 1) * root
    waves.imag = frame.normals(frame.length + 1) * root
    paths = np.fft.irfft(waves, axis=1)[:, : frame.length]
    return to_unit(paths.astype(np.float32), frame)


def frequencies(frame: Frame) -> Paths:
    """Frequencies `[1, length + 1]` in cycles a step, from 0 to one half."""
    return np.linspace(0, 0.5, frame.length + 1, dtype=np.float32)[None, :]


def coloured(frame: Frame, exponent: Paths) -> Paths:
    """Noise with density 1 / frequency^exponent: 0 is white, 1 pink, 2 a random walk, 4 an integrated one."""
    safe = np.maximum(frequencies(frame), 0.25 / frame.length)
    return from_spectrum(frame, np.exp(-exponent * np.log(safe / 0.25)))


def squared_exponential(frame: Frame, scale: Paths) -> Paths:
    """Smooth paths that forget over `scale [num_series, 1]` steps (kernel exp(-lag^2 / 2 scale^2))."""
    return from_spectrum(frame, _bell(frame, scale))


def _bell(frame: Frame, scale: Paths) -> Paths:
    drawn: Paths = np.exp(-np.minimum(2 * np.square(np.pi * frequencies(frame) * scale), 60))
    return drawn


def _smooth(frame: Frame) -> Paths:
    return squared_exponential(frame, _scales(frame))


def _rational_quadratic(frame: Frame) -> Paths:
    """A scale mixture of smooth kernels, here of three scales."""
    scale = _scales(frame)
    density = np.zeros((frame.num_series, frame.length + 1), dtype=np.float32)
    for factor in (1.0, 0.3, 0.1):
        density += scale * factor * _bell(frame, scale * factor)
    return from_spectrum(frame, density)


def _matern(frame: Frame) -> Paths:
    """Kernels rough as an autoregression (order 1/2) to nearly smooth (order 5/2)."""
    scale, order = _scales(frame), np.round(frame.uniform(0, 2)) + 0.5
    return from_spectrum(frame, np.power(1 + np.square(2 * np.pi * frequencies(frame) * scale), -(order + 0.5)))


def _periodic(frame: Frame) -> Paths:
    """Seasons that drift slowly: the harmonics of the period, each a narrow bell."""
    period = _periods(frame)
    width = frame.spans[:, None] * frame.log_uniform(0.3, 6)
    decay = frame.log_uniform(0.3, 2)
    density = np.zeros((frame.num_series, frame.length + 1), dtype=np.float32)
    for harmonic in range(1, min(6, max(frame.season_length // 2, 1)) + 1):
        offset = (frequencies(frame) - harmonic / period) * width * np.pi
        density += harmonic ** (-2 * decay) * np.exp(-np.minimum(2 * np.square(offset), 60))
    return from_spectrum(frame, density)


def _linear(frame: Frame) -> Paths:
    return frame.clock() * np.sign(frame.normals(1))


def _white(frame: Frame) -> Paths:
    return frame.normals()


def _scales(frame: Frame) -> Paths:
    return np.maximum(frame.spans[:, None] * frame.log_uniform(0.02, 0.6), 1.5)


def _periods(frame: Frame) -> Paths:
    if frame.season_length > 1:
        return np.full((frame.num_series, 1), frame.season_length, dtype=np.float32)
    return frame.log_uniform(4, 14)


KERNELS: dict[str, Component] = {
    "smooth": _smooth,
    "rational quadratic": _rational_quadratic,
    "matern": _matern,
    "periodic": _periodic,
    "linear": _linear,
    "white": _white,
}

_WEIGHTS = {"smooth": 1.0, "rational quadratic": 1.0, "matern": 1.0, "periodic": 2.0, "linear": 1.0, "white": 0.8}


def kernel_mixture(frame: Frame) -> Paths:
    """Sums of two to four kernels with weights of their own; a fifth of the rows carry a product of two as well."""
    paths, _ = draw_families(frame, _WEIGHTS, KERNELS)
    for _ in range(3):
        more, _ = draw_families(frame, _WEIGHTS, KERNELS)
        paths = paths + to_unit(more, frame) * frame.log_uniform(0.03, 2)
    rows = frame.chance(0.2)
    if len(rows):
        part = frame.pick(rows)
        factor = to_unit(draw_families(part, _WEIGHTS, KERNELS)[0], part)
        paths[rows] *= 1 + 0.5 * factor
    return to_unit(paths, frame)
