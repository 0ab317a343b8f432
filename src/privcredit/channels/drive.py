"""Driving one program to its end where the channel itself blocks (between nodes, each program has a thread)."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from privcredit.errors import UsageError

T = TypeVar("T")


def run_to_completion(program: Coroutine[Any, Any, T]) -> T:
    """Run `program` to its result. Its channel must block instead of suspending. Raises what the program raises."""
    try:
        program.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    program.close()
    raise UsageError("A program suspended on a channel that must block; use the in-process channel's runner instead.")
