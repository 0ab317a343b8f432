"""Frozen message types and the one codec that every wire format goes through."""
