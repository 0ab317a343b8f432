"""Which two authorities compare, and which two after a failure."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

from privcredit.errors import RefusedError, UnavailableError

LAST_ATTEMPT = 1
"""At most one rerun per nullifier."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The evaluators of one attempt and the authority held in reserve."""

    evaluator_1: str
    evaluator_2: str
    reserve: str
    attempt: int = 0

    @classmethod
    def rotate(cls, authorities: tuple[str, ...], query_id: bytes, is_up: Callable[[str], bool]) -> "Panel":
        """Return the panel of a query: roles rotate with the query id; an authority known to be down is the reserve.

        Raises UnavailableError when two authorities are down.
        """
        orders = list(permutations(authorities))
        start = int.from_bytes(query_id[:4], "big") % len(orders)
        for order in orders[start:] + orders[:start]:
            if is_up(order[0]) and is_up(order[1]):
                return cls(order[0], order[1], order[2])
        raise UnavailableError("Fewer than two authorities answer, so nothing can be opened; ask again later.")

    def after(self, error: UnavailableError | RefusedError, is_up: Callable[[str], bool]) -> "Panel":
        """Return the panel of the rerun after `error`, or raise `error` when there is none.

        Whoever is down is replaced in its own role: the rules for output shares demand that evaluator 1 stays.
        """
        if self.attempt >= LAST_ATTEMPT or (isinstance(error, RefusedError) and error.reason != "attempt-used"):
            raise error
        first, second = is_up(self.evaluator_1), is_up(self.evaluator_2)
        if first and second:
            return Panel(self.evaluator_1, self.evaluator_2, self.reserve, self.attempt + 1)
        if not is_up(self.reserve) or not (first or second):
            raise UnavailableError("Fewer than two authorities answer, so nothing can be opened; ask again later.")
        if first:
            return Panel(self.evaluator_1, self.reserve, self.evaluator_2, self.attempt + 1)
        return Panel(self.reserve, self.evaluator_2, self.evaluator_1, self.attempt + 1)
