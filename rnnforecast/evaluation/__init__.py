"""Honest evaluation: rolling origins, metrics, naive baselines, calibrated intervals and a tested verdict."""
