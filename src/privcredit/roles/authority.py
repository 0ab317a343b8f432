"""An authority: checks everything again, pins the nullifier, compares with one other authority, seals its share.

The rules (`protocols/eligibility/spec.md`, section 4): open only the sum of exactly the policy's holders' verified
contributions; one contribution set per nullifier; one output share per nullifier, persisted before it leaves; at most
one rerun; a partial decryption never goes to whoever knows the mask.
"""

from dataclasses import dataclass

from privcredit.channels.drive import run_to_completion
from privcredit.channels.interface import Channel
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.sealed import seal
from privcredit.errors import PeerError, PrivcreditError, RefusedError, UnavailableError
from privcredit.messages.codec import PROTOCOL_VERSION, decode, encode
from privcredit.protocols.consent.messages import QueryHeader
from privcredit.protocols.consent.steps import check_header
from privcredit.protocols.eligibility.messages import (
    EvaluationOrder,
    EvaluationResult,
    OutputShare,
    PinNotice,
    PinPage,
)
from privcredit.protocols.eligibility.steps import (
    ContributionSet,
    check_answers,
    check_contributions,
    check_fresh,
    check_request,
    open_request,
    session_context,
    sign_output_share,
    terms_of,
)
from privcredit.roles.comparison import Comparer
from privcredit.roles.evaluation import NOT_READY
from privcredit.roles.identity import Clock, PartyKeys, check_own_entry
from privcredit.roles.links import AuthorityLinks
from privcredit.roles.pins import Claim, PinBook, Run
from privcredit.roles.registry import TrustedRegistry
from privcredit.scorecard.policy import Policy
from privcredit.storage.authority import AuthorityStore, FinishedRun, Pin

RUN_WAIT_SECONDS = 25
"""A question that meets its own nullifier under way waits this long for it to end; below a coordinator's patience."""


@dataclass(frozen=True, slots=True)
class CheckedOrder:
    """An order whose request, header, roles and contributions were all verified."""

    order: EvaluationOrder
    policy: Policy
    contributions: ContributionSet

    @property
    def header(self) -> QueryHeader:
        """Return the query's header."""
        return self.order.header

    @property
    def pair(self) -> tuple[str, str]:
        """Return the two evaluators."""
        return (self.order.evaluator_1, self.order.evaluator_2)

    @property
    def session(self) -> bytes:
        """Return the run's name."""
        return session_context(self.header, self.order.attempt, *self.pair)

    def notice(self) -> PinNotice:
        """Return what the third authority is told."""
        return PinNotice(
            nullifier=self.header.nullifier,
            verifier=self.header.verifier,
            policy_hash=self.header.policy_hash,
            epoch=self.header.epoch,
            set_digest=self.contributions.set_digest,
            evaluator_1=self.order.evaluator_1,
            evaluator_2=self.order.evaluator_2,
            attempt=self.order.attempt,
        )


class Authority:
    """One authority's conduct; the node supplies links, storage, clock and randomness."""

    def __init__(
        self,
        keys: PartyKeys,
        registry: TrustedRegistry,
        comparer: Comparer,
        store: AuthorityStore,
        links: AuthorityLinks,
        randomness: Randomness,
        clock: Clock,
    ) -> None:
        check_own_entry(keys, "authority", registry)
        self._keys = keys
        self._registry = registry
        self._comparer = comparer
        self._store = store
        self._links = links
        self._randomness = randomness
        self._clock = clock
        others = tuple(name for name in registry.authorities if name != keys.name)
        self._pins = PinBook(keys.name, others, store, links, clock)

    def evaluate(self, order: EvaluationOrder) -> EvaluationResult:
        """Take part in one comparison, or give out again what this nullifier got before.

        Raises RefusedError (logged) when any rule says no, UnavailableError when the other evaluator is silent.
        """
        try:
            return self._evaluate(self._check(order))
        except PrivcreditError as error:
            self._log_refusal(order, error)
            raise

    def _evaluate(self, checked: CheckedOrder) -> EvaluationResult:
        claim = Claim(checked.notice(), checked.session, len(checked.policy.tiers), lambda: self._check_fresh(checked))
        while True:
            found = self._pins.claim(claim, self._randomness)
            if isinstance(found, Run):
                return self._run(checked, found)
            if isinstance(found, Pin):
                return self._answer_again(checked, found)
            if not found.ended.wait(RUN_WAIT_SECONDS):
                raise UnavailableError("The same question is under way and does not end; ask again later.")

    # --- checks ------------------------------------------------------------------------------------------------------

    def _check(self, order: EvaluationOrder) -> CheckedOrder:
        if not self._pins.caught_up:
            raise RefusedError(NOT_READY, "This authority has not yet learnt which nullifiers are used.")
        self._check_roles(order)
        header = order.header
        policy = self._registry.policy(header.policy_hash)
        verifier = self._registry.party(header.verifier, "verifier")
        request = open_request(order.request, verifier.name, verifier.signing_key)
        check_request(request, header.policy_hash, policy, self._clock())
        check_answers(header, request)
        check_header(header, terms_of(policy, header.policy_hash), self._clock())
        holders = {term.holder: self._registry.party(term.holder, "holder").signing_key for term in policy.holders}
        contributions = check_contributions(order.contributions, header, policy, self._comparer.encryptor, holders)
        return CheckedOrder(order, policy, contributions)

    def _check_roles(self, order: EvaluationOrder) -> None:
        pair = (order.evaluator_1, order.evaluator_2)
        if pair[0] == pair[1] or not set(pair) <= set(self._registry.authorities):
            raise RefusedError("wrong-evaluators", "The order must name two different authorities as evaluators.")
        if self._keys.name not in pair:
            raise RefusedError("wrong-evaluators", f"The order does not name {self._keys.name} as an evaluator.")

    def _check_fresh(self, checked: CheckedOrder) -> None:
        check_fresh(checked.contributions, checked.policy, self._clock())

    # --- runs --------------------------------------------------------------------------------------------------------

    def _run(self, checked: CheckedOrder, run: Run) -> EvaluationResult:
        try:
            self._pins.tell_third(checked.notice())
            if checked.order.evaluator_1 == self._keys.name:
                return self._run_as_evaluator_1(checked)
            return self._run_as_evaluator_2(checked)
        finally:
            self._pins.end(checked.header.nullifier, run)

    def _channel(self, checked: CheckedOrder) -> Channel:
        peer = next(name for name in checked.pair if name != self._keys.name)
        return self._links.channel(checked.session, peer)

    def _run_as_evaluator_1(self, checked: CheckedOrder) -> EvaluationResult:
        fixed = self._fixed_share(checked)

        def persist_and_seal(share_bits: tuple[int, ...], run: bytes) -> bytes:
            self._persist(checked, share_bits, run, None)
            return self._sealed_share(checked.order, checked.pair, share_bits, run)

        program = self._comparer.evaluator_1(
            self._channel(checked),
            self._comparer.session(checked.session, checked.policy, checked.pair),
            checked.contributions.product,
            fixed,
            persist_and_seal,
        )
        run_to_completion(program)
        return EvaluationResult(evaluators=checked.pair, shares=())

    def _fixed_share(self, checked: CheckedOrder) -> tuple[int, ...]:
        with self._store.transaction() as records:
            pin = records.pin(checked.header.nullifier)
        if pin is None or pin.share_bits is None:
            raise RefusedError("not-pinned", "The nullifier has no fixed output share.")
        return tuple(pin.share_bits)

    def _run_as_evaluator_2(self, checked: CheckedOrder) -> EvaluationResult:
        program = self._comparer.evaluator_2(
            self._channel(checked),
            self._comparer.session(checked.session, checked.policy, checked.pair),
            checked.contributions.product,
        )
        outcome = run_to_completion(program)
        own = self._sealed_share(checked.order, checked.pair, outcome.shares.bits, outcome.transcript)
        shares = ((checked.order.evaluator_1, outcome.sealed_share), (self._keys.name, own))
        result = EvaluationResult(evaluators=checked.pair, shares=shares)
        self._persist(checked, outcome.shares.bits, outcome.transcript, encode(result))
        return result

    def _persist(self, checked: CheckedOrder, share_bits: tuple[int, ...], run: bytes, released: bytes | None) -> None:
        """Before anything leaves: the share, the run that it belongs to, the bytes that will be sent (4.4).

        A run that a rerun has replaced meanwhile stores and sends nothing, or one authority would release two shares.
        """
        finished = FinishedRun(
            nullifier=checked.header.nullifier,
            attempt=checked.order.attempt,
            evaluator_2=checked.order.evaluator_2,
            query=checked.header.query_id,
            share_bits=bytes(share_bits),
            run=run,
            released=released,
        )
        with self._store.transaction() as records:
            if not records.complete(finished):
                raise UnavailableError("This run was replaced by a rerun.")
            records.log(self._clock(), "evaluated", _log_details(checked.order))

    # --- output shares -----------------------------------------------------------------------------------------------

    def _answer_again(self, checked: CheckedOrder, pin: Pin) -> EvaluationResult:
        """The very same bytes to the first asker; the same share, re-signed, for a new request of the same use (4.5).

        Whoever is not one of the nullifier's evaluators names them.
        """
        told = (pin.evaluator_1, pin.evaluator_2)
        if self._keys.name not in told or pin.run is None or pin.share_bits is None or pin.run_evaluator_2 is None:
            return EvaluationResult(evaluators=told, shares=())
        pair = (pin.evaluator_1, pin.run_evaluator_2)
        if pin.released is not None and pin.run_query == checked.header.query_id:
            return decode(pin.released, EvaluationResult)
        own = self._sealed_share(checked.order, pair, tuple(pin.share_bits), pin.run)
        return EvaluationResult(evaluators=pair, shares=((self._keys.name, own),))

    def _sealed_share(
        self, order: EvaluationOrder, pair: tuple[str, str], share_bits: tuple[int, ...], run: bytes
    ) -> bytes:
        header = order.header
        share = OutputShare(
            version=PROTOCOL_VERSION,
            query_id=header.query_id,
            policy_hash=header.policy_hash,
            verifier=header.verifier,
            request_id=header.request_id,
            epoch=header.epoch,
            expires=header.expires,
            evaluator_1=pair[0],
            evaluator_2=pair[1],
            sender=self._keys.name,
            run=run,
            bits=share_bits,
        )
        recipient = self._registry.party(header.verifier, "verifier")
        return seal(recipient.sealing_key, sign_output_share(share, self._keys.signing).encode())

    # --- the other authorities, upkeep -------------------------------------------------------------------------------

    def accept_pin(self, notice: PinNotice, sender: str) -> None:
        """Learn from the authority `sender` that a nullifier is taken. Raises RefusedError if it is someone else's."""
        self._pins.accept(notice, sender)

    def pins_after(self, sequence: int) -> PinPage:
        """Return a page of the pins made after `sequence`."""
        return self._pins.page(sequence)

    def keep_up(self) -> None:
        """Learn and deliver what was missed while one authority or another was down. Run it every few seconds."""
        if not self._pins.caught_up:
            self._pins.catch_up()
        self._pins.deliver_queued()

    def is_busy(self) -> bool:
        """Tell whether a comparison is under way."""
        return self._pins.busy

    def not_ready(self) -> list[str]:
        """Return why this authority cannot evaluate yet; empty when it can."""
        return [] if self._pins.caught_up else ["waits for another authority's list of used nullifiers"]

    def verify_log(self) -> int:
        """Return the number of intact audit rows; raises UsageError naming the first bad one."""
        with self._store.transaction() as records:
            return records.verify_log()

    def _log_refusal(self, order: EvaluationOrder, error: PrivcreditError) -> None:
        with self._store.transaction() as records:
            records.log(self._clock(), "refused", {"reason": _reason(error), **_log_details(order)})


def _reason(error: PrivcreditError) -> str:
    """A peer's fault names the peer: that is what an auditor looks for."""
    if isinstance(error, RefusedError):
        return error.reason
    if isinstance(error, PeerError):
        return f"{error.step}: {error.culprit}"
    return type(error).__name__


def _log_details(order: EvaluationOrder) -> dict[str, str | int]:
    header = order.header
    return {"verifier": header.verifier, "query": header.query_id.hex(), "attempt": order.attempt}
