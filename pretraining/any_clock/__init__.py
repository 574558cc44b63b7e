"""Pretraining of the next network `base`, one for all clocks: its series, loss, loop, validation and export."""
