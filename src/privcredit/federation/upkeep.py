"""What a node does while nobody asks: makes material ahead, learns what it missed. At the lowest priority."""

import os
import threading
import time
from collections.abc import Callable

import structlog

from privcredit.errors import PrivcreditError

IDLE_SECONDS = 0.25
"""How long to rest when nothing was missing."""

ROUND_SECONDS = 2.0
"""How often a node looks whether others were down."""

NICENESS = 15
"""Questions under way on this machine come first."""

Refill = Callable[[], bool]
"""Makes one missing piece; False when nothing is missing."""

log = structlog.get_logger("privcredit.upkeep")


class Upkeep:
    """A background thread; `pause` holds while a question is under way in this process."""

    def __init__(self, refill: Refill, rounds: Callable[[], None], pause: Callable[[], bool]) -> None:
        self._refill = refill
        self._rounds = rounds
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.set()

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        next_round = time.monotonic()
        while not self._stop.is_set():
            if time.monotonic() >= next_round:
                self._guarded(self._rounds)
                next_round = time.monotonic() + ROUND_SECONDS
            if self._pause() or not self._guarded(self._refill):
                self._stop.wait(IDLE_SECONDS)

    def _guarded(self, task: Callable[[], object]) -> bool:
        """A failure of upkeep is logged and tried again; questions go on without it."""
        try:
            return bool(task())
        except PrivcreditError as error:
            log.warning("upkeep-failed", problem=str(error))
            return False
