"""Honest evaluation: rolling-origin backtest, metrics, naive baselines, calibrated intervals and a tested verdict."""
