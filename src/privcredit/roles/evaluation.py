"""Which two authorities compare, and which two after a failure (`protocols/eligibility/spec.md`, 3.5 and 4.6)."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

from privcredit.errors import PeerError, PrivcreditError, RefusedError, UnavailableError
from privcredit.protocols.eligibility.messages import LAST_ATTEMPT

ATTEMPT_USED = "attempt-used"
NOT_READY = "not-ready"
OTHER_NEEDED = "other-evaluator-needed"
TOO_FEW = "Fewer than two authorities answer, so nothing can be opened; ask again later."


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt ended, and from which evaluator this was heard first."""

    error: PrivcreditError
    by: str


@dataclass(frozen=True, slots=True)
class Panel:
    """The evaluators of one attempt and the authority held in reserve."""

    evaluator_1: str
    evaluator_2: str
    reserve: str
    attempt: int = 0

    @property
    def pair(self) -> tuple[str, str]:
        """Return the two evaluators."""
        return (self.evaluator_1, self.evaluator_2)

    @classmethod
    def rotate(cls, authorities: tuple[str, ...], nullifier: bytes, is_up: Callable[[str], bool]) -> "Panel":
        """Return the panel of a nullifier; an authority known to be down is the reserve.

        Roles rotate with the nullifier, so whoever asks again under it finds the two that have its answer.
        Raises UnavailableError when two authorities are down.
        """
        orders = list(permutations(authorities))
        start = int.from_bytes(nullifier[:4], "big") % len(orders)
        for order in orders[start:] + orders[:start]:
            if is_up(order[0]) and is_up(order[1]):
                return cls(order[0], order[1], order[2])
        raise UnavailableError(TOO_FEW)

    @classmethod
    def of(cls, pair: tuple[str, str], authorities: tuple[str, ...], culprit: str) -> "Panel":
        """Return the panel that `culprit` named as the one with the answer. Raises PeerError if there is no such."""
        rest = [name for name in authorities if name not in pair]
        if pair[0] == pair[1] or len(rest) != 1:
            raise PeerError(culprit, "evaluate", "it names evaluators that are not two authorities")
        return cls(pair[0], pair[1], rest[0])

    def after(self, failure: Failure, is_up: Callable[[str], bool]) -> "Panel":
        """Return the panel of the rerun after `failure`, or raise its error when there is none.

        Whoever is down, silent or found to cheat is replaced in its own role: the rules for output shares demand that
        evaluator 1 stays if it can.
        """
        error = failure.error
        if self.attempt >= LAST_ATTEMPT or not self._may_help(error):
            raise _outward(error)
        blamed = self._blamed(failure, is_up)
        first, second, reserve = (
            name != blamed and is_up(name) for name in (self.evaluator_1, self.evaluator_2, self.reserve)
        )
        if first and second and not reserve:
            return self._again(self.evaluator_1, self.evaluator_2, self.reserve)
        if not reserve or not (first or second):
            raise _outward(error)
        if first:
            return self._again(self.evaluator_1, self.reserve, self.evaluator_2)
        return self._again(self.reserve, self.evaluator_2, self.evaluator_1)

    def _again(self, evaluator_1: str, evaluator_2: str, reserve: str) -> "Panel":
        return Panel(evaluator_1, evaluator_2, reserve, self.attempt + 1)

    def _may_help(self, error: PrivcreditError) -> bool:
        """Another run cannot mend a refusal or a holder's fault."""
        if isinstance(error, RefusedError):
            return error.reason in {ATTEMPT_USED, NOT_READY}
        if isinstance(error, PeerError):
            return error.culprit in self.pair
        return isinstance(error, UnavailableError)

    def _blamed(self, failure: Failure, is_up: Callable[[str], bool]) -> str | None:
        """Return whom to leave out. An evaluator that answers, but "unavailable", waited in vain for the other one."""
        error = failure.error
        if isinstance(error, PeerError):
            return error.culprit
        if isinstance(error, RefusedError):
            return failure.by if error.reason == NOT_READY else None
        if not is_up(failure.by):
            return failure.by
        other = self.evaluator_1 if failure.by == self.evaluator_2 else self.evaluator_2
        return other if is_up(self.reserve) else None


def _outward(error: PrivcreditError) -> PrivcreditError:
    """Only a real refusal or a fault is final for the asker; of the rest it hears what it can do, not who is where."""
    if isinstance(error, RefusedError) and error.reason not in {ATTEMPT_USED, NOT_READY, OTHER_NEEDED}:
        return error
    return error if isinstance(error, PeerError) else UnavailableError(TOO_FEW)
