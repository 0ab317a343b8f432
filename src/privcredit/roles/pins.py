"""An authority's book of nullifiers (`protocols/eligibility/spec.md`, section 4).

One contribution set each, one output share each, at most one rerun.

All decisions fall inside one write transaction, so they hold under any race and across crashes.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from privcredit.crypto.randomness import Randomness, bits
from privcredit.errors import PeerError, PrivcreditError, RefusedError, UnavailableError
from privcredit.messages.codec import decode, encode
from privcredit.protocols.eligibility.messages import LAST_ATTEMPT, PinNotice, PinPage
from privcredit.roles.evaluation import ATTEMPT_USED, OTHER_NEEDED
from privcredit.roles.identity import Clock
from privcredit.roles.links import AuthorityLinks
from privcredit.storage.authority import AuthorityRecords, AuthorityStore, Pin

PIN_PAGE = 500
NOTICE_BATCH = 100
NULLIFIER_USED = "nullifier-used"


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way in this process; `ended` is set when it is over, however it ends."""

    session: bytes
    attempt: int
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Busy:
    """The nullifier's run is under way; claim again once `ended` is set."""

    ended: threading.Event


@dataclass(frozen=True, slots=True)
class Claim:
    """What an order asks to do with a nullifier. `fresh` raises RefusedError when contributions are too old."""

    notice: PinNotice
    session: bytes
    tiers: int
    fresh: Callable[[], None]


class PinBook:
    """Decides, for each order, between running, waiting for a run, and answering again."""

    def __init__(
        self, name: str, others: tuple[str, ...], store: AuthorityStore, links: AuthorityLinks, clock: Clock
    ) -> None:
        self._name = name
        self._others = others
        self._store = store
        self._links = links
        self._clock = clock
        self._runs: dict[bytes, Run] = {}
        self._lock = threading.Lock()
        self.caught_up = False

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return bool(self._runs)

    # --- orders ------------------------------------------------------------------------------------------------------

    def claim(self, claim: Claim, randomness: Randomness) -> Pin | Run | Busy:
        """Return the Run that the caller must now carry out, the Pin to answer from, or Busy.

        Raises RefusedError: `nullifier-used`, `attempt-used`, `locked`, `wrong-evaluators`, `contribution-expired`.
        """
        with self._lock, self._store.transaction() as records:
            pin = records.pin(claim.notice.nullifier)
            if pin is None:
                claim.fresh()
                records.add_pin(_pin_of(claim.notice, self._first_share(claim, randomness)))
                return self._start(claim)
            _check_same_use(pin, claim.notice)
            if self._is_answered(pin, claim.notice):
                return pin
            running = self._runs.get(pin.nullifier)
            if running is not None and claim.notice.attempt <= running.attempt:
                return Busy(running.ended)
            self._begin_rerun(records, pin, claim, randomness)
            return self._start(claim)

    def _start(self, claim: Claim) -> Run:
        """Register the new run; a run that it replaces is cut off."""
        replaced = self._runs.get(claim.notice.nullifier)
        if replaced is not None:
            self._links.close(replaced.session)
        run = self._runs[claim.notice.nullifier] = Run(claim.session, claim.notice.attempt)
        return run

    def end(self, nullifier: bytes, run: Run) -> None:
        """Mark a run as over."""
        with self._lock:
            if self._runs.get(nullifier) is run:
                del self._runs[nullifier]
        run.ended.set()
        self._links.close(run.session)

    def _first_share(self, claim: Claim, randomness: Randomness) -> bytes | None:
        """Evaluator 1's output share is drawn once, before any run, so a rerun releases the same (4.3)."""
        if claim.notice.evaluator_1 != self._name:
            return None
        return bytes(bits(randomness, 1) for _ in range(claim.tiers))

    def _is_answered(self, pin: Pin, notice: PinNotice) -> bool:
        """Evaluator 2's released result is final (4.5). Evaluator 1 may rerun once, for a new evaluator 2.

        A pin of the two other authorities redirects the order to them, unless it orders the rerun with us.
        """
        if self._name not in {pin.evaluator_1, pin.evaluator_2}:
            return notice.attempt <= pin.attempt
        return pin.released is not None or (pin.run is not None and notice.attempt <= pin.attempt)

    def _begin_rerun(self, records: AuthorityRecords, pin: Pin, claim: Claim, randomness: Randomness) -> None:
        notice = claim.notice
        if pin.attempt >= LAST_ATTEMPT:
            raise RefusedError("locked", "This question failed twice; consent anew, which takes the next index.")
        if notice.attempt <= pin.attempt:
            raise RefusedError(ATTEMPT_USED, f"Run {pin.attempt} of this question ended early; order a rerun.")
        if pin.share_bits is not None and notice.evaluator_1 != self._name:
            raise RefusedError("wrong-evaluators", "Evaluator 1 of the first run must be evaluator 1 of the rerun.")
        if pin.run is not None and notice.evaluator_2 == pin.run_evaluator_2:  # paillier-dgk/spec.md, 2.8
            raise RefusedError(OTHER_NEEDED, "Evaluator 2 has answered the first run; order another for the rerun.")
        claim.fresh()
        records.start_attempt(pin.nullifier, notice.attempt, notice.evaluator_1, notice.evaluator_2)
        if pin.share_bits is None and (share := self._first_share(claim, randomness)) is not None:
            records.fix_share(pin.nullifier, share)

    # --- telling the third authority ---------------------------------------------------------------------------------

    def tell_third(self, notice: PinNotice) -> None:
        """All three are told before anything is opened (3.7); one that cannot listen is told when it is back.

        Raises RefusedError if the third knows the nullifier as someone else's. Its other troubles are its own: they
        must not stop the two that work.
        """
        third = next(name for name in self._others if name not in {notice.evaluator_1, notice.evaluator_2})
        try:
            self._links.pin(third, notice)
        except PrivcreditError as error:
            if _is_conflict(error):
                self._log_conflict(notice, third)
                raise
            with self._store.transaction() as records:
                records.queue_notice(third, notice.nullifier, encode(notice))

    def deliver_queued(self) -> None:
        """Tell authorities that were down what they missed."""
        for recipient in self._others:
            with suppress(UnavailableError, PeerError):
                self._deliver_to(recipient)

    def _deliver_to(self, recipient: str) -> None:
        with self._store.transaction() as records:
            queued = records.queued_notices(recipient, NOTICE_BATCH)
        for nullifier, notice in queued:
            try:
                self._links.pin(recipient, decode(notice, PinNotice))
            except RefusedError as error:
                if not _is_conflict(error):
                    raise
                self._log_conflict(decode(notice, PinNotice), recipient)  # it has been told
            with self._store.transaction() as records:
                records.drop_notice(recipient, nullifier, notice)

    # --- being told --------------------------------------------------------------------------------------------------

    def accept(self, notice: PinNotice, sender: str) -> None:
        """Learn from another authority that a nullifier is taken. Raises RefusedError if it is someone else's.

        A conflict can only come from a dishonest party: the first use stands, the log says whose word it was.
        """
        self._check_names(notice, sender)
        try:
            with self._lock, self._store.transaction() as records:
                self._learn(records, notice)
        except RefusedError:
            self._log_conflict(notice, sender)
            raise

    def _check_names(self, notice: PinNotice, sender: str) -> None:
        pair = {notice.evaluator_1, notice.evaluator_2}
        if len(pair) != 2 or not pair <= {self._name, *self._others}:  # noqa: PLR2004 - two evaluators
            raise PeerError(sender, "accept pin", "the notice does not name two authorities as evaluators")

    def _learn(self, records: AuthorityRecords, notice: PinNotice) -> None:
        pin = records.pin(notice.nullifier)
        if pin is None:
            records.add_pin(_pin_of(notice))
            return
        _check_same_use(pin, notice)
        if self._is_replaced_by(pin, notice):
            records.start_attempt(pin.nullifier, notice.attempt, notice.evaluator_1, notice.evaluator_2)

    def _is_replaced_by(self, pin: Pin, notice: PinNotice) -> bool:
        """Tell whether the other two began the rerun without this authority, which has nothing to give out (4.7)."""
        without_us = self._name not in {notice.evaluator_1, notice.evaluator_2}
        idle = pin.released is None and pin.nullifier not in self._runs
        return notice.attempt > pin.attempt and without_us and idle

    def page(self, after: int) -> PinPage:
        """Return a page of pins for an authority that comes back."""
        with self._store.transaction() as records:
            pins = records.pins_after(after, PIN_PAGE)
        following = pins[-1].sequence if len(pins) == PIN_PAGE else None
        return PinPage(pins=tuple(_notice_of(pin) for pin in pins), next_after=following)

    def catch_up(self) -> None:
        """Fetch the nullifiers used while this authority was away.

        Done once at least one other authority answered: with both down nothing can be evaluated anyway.
        """
        for name in self._others:
            with suppress(UnavailableError, PeerError):
                self._fetch(name)
                self.caught_up = True

    def _fetch(self, authority: str) -> None:
        after: int | None = 0
        while after is not None:
            page = self._links.pins_of(authority, after)
            if page.next_after is not None and page.next_after <= after:
                raise PeerError(authority, "fetch pins", "its list of nullifiers does not end")
            self._learn_all(page.pins, authority)
            after = page.next_after

    def _learn_all(self, notices: Sequence[PinNotice], authority: str) -> None:
        for notice in notices:
            self._check_names(notice, authority)
        with self._lock, self._store.transaction() as records:
            for notice in notices:
                try:
                    self._learn(records, notice)
                except RefusedError:
                    records.log(self._clock(), *_conflict(notice, authority))

    def _log_conflict(self, notice: PinNotice, authority: str) -> None:
        with self._store.transaction() as records:
            records.log(self._clock(), *_conflict(notice, authority))


def _is_conflict(error: PrivcreditError) -> bool:
    return isinstance(error, RefusedError) and error.reason == NULLIFIER_USED


def _conflict(notice: PinNotice, authority: str) -> tuple[str, dict[str, str | int]]:
    return "conflicting-pin", {"nullifier": notice.nullifier.hex(), "from": authority}


def _check_same_use(pin: Pin, notice: PinNotice) -> None:
    if (pin.verifier, pin.policy_hash, pin.set_digest) != (notice.verifier, notice.policy_hash, notice.set_digest):
        raise RefusedError(NULLIFIER_USED, "This nullifier was used for another question; use the next index.")


def _pin_of(notice: PinNotice, share_bits: bytes | None = None) -> Pin:
    known = {name: getattr(notice, name) for name in PinNotice.__struct_fields__}
    return Pin(
        **known, sequence=0, share_bits=share_bits, run=None, run_query=None, run_evaluator_2=None, released=None
    )


def _notice_of(pin: Pin) -> PinNotice:
    return PinNotice(**{name: getattr(pin, name) for name in PinNotice.__struct_fields__})
