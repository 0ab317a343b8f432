"""Hazmat: the mathematics. No I/O, no clock, randomness injected; see `protocols/`."""
