"""Schemes, data and measurements for researchers."""
