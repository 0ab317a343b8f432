"""Deterministic randomness and clocks for tests and vectors. Never for production."""

import hashlib
import threading


class SeededRandomness:
    """SHA-256 in counter mode over a seed."""

    def __init__(self, seed: int | str) -> None:
        self._seed = str(seed).encode()
        self._counter = 0
        self._lock = threading.Lock()

    def bytes(self, count: int) -> bytes:
        out = b""
        with self._lock:
            while len(out) < count:
                out += hashlib.sha256(self._seed + b"|" + str(self._counter).encode()).digest()
                self._counter += 1
        return out[:count]


class StuckRandomness:
    """A broken generator: always the same byte."""

    def __init__(self, byte: int = 0) -> None:
        self._byte = byte

    def bytes(self, count: int) -> bytes:
        return bytes([self._byte]) * count
