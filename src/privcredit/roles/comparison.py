"""An authority's comparison machinery: its key share, DGK keys, and the material made ahead and used once.

Masks, proof masks and randomisers live in memory only: a crash forgets them, so nothing can be used twice.
"""

import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from privcredit.channels.interface import Channel
from privcredit.crypto.dgk import DgkPublicKey
from privcredit.crypto.dgk_keys import DgkPrivateKey
from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import Ciphertext, Encryptor
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.share_proof import ShareProver, ShareVerifier
from privcredit.crypto.threshold import KeyShare, ThresholdKey
from privcredit.protocols.eligibility.steps import layout_of
from privcredit.protocols.paillier_dgk.masks import Mask, prepare_mask
from privcredit.protocols.paillier_dgk.programs import compare_as_evaluator_1, compare_as_evaluator_2
from privcredit.protocols.paillier_dgk.session import ComparisonOutcome, ComparisonSession, Evaluator, OutputShares
from privcredit.scorecard.policy import Policy, comparison_bits, slot_thresholds

READY_RUNS = 8
"""Material is made ahead for this many questions; it costs about a third of a second of one core each at 3072 bits."""

SealShare = Callable[[tuple[int, ...], bytes], bytes]
"""Persists and seals evaluator 1's share: (bits, run) -> sealed bytes."""


@dataclass(frozen=True, slots=True, repr=False)
class ComparisonKeys:
    """What an authority compares with. Secret; the repr says nothing."""

    name: str
    threshold_key: ThresholdKey
    key_share: KeyShare
    dgk: DgkPrivateKey
    peers: Mapping[str, DgkPublicKey]

    def __repr__(self) -> str:
        return f"ComparisonKeys({self.name}, <redacted>)"


class Comparer:
    """Runs the two programs of `paillier-dgk` for one authority."""

    def __init__(
        self,
        keys: ComparisonKeys,
        authorities: tuple[str, ...],
        encryptor: Encryptor,
        randomness: Randomness,
        executor: Executor | None,
    ) -> None:
        self.encryptor = encryptor
        self._keys = keys
        self._indices = {name: index for index, name in enumerate(authorities, start=1)}
        self._randomness = randomness
        self._executor = executor
        self._prover = ShareProver(keys.threshold_key, keys.key_share, randomness)
        self._verifier = ShareVerifier(keys.threshold_key)
        self._own = keys.dgk.encryptor(randomness)
        self._peers = {name: key.encryptor(randomness) for name, key in keys.peers.items() if name != keys.name}
        self._masks: dict[Layout, deque[Mask]] = {}
        self._lock = threading.Lock()

    def session(self, context: bytes, policy: Policy, pair: tuple[str, str]) -> ComparisonSession:
        """Return what both evaluators of one run agree on before it starts."""
        return ComparisonSession(
            threshold_key=self._keys.threshold_key,
            layout=layout_of(policy, self.encryptor.key),
            thresholds=slot_thresholds(policy),
            context=context,
            evaluator_1=Evaluator(pair[0], self._indices[pair[0]]),
            evaluator_2=Evaluator(pair[1], self._indices[pair[1]]),
        )

    def evaluator_1(
        self,
        channel: Channel,
        session: ComparisonSession,
        product: Ciphertext,
        fixed: tuple[int, ...],
        persist_and_seal: SealShare,
    ) -> Coroutine[Any, Any, ComparisonOutcome]:
        """Return the program of the evaluator that makes the mask."""

        def seal(shares: OutputShares) -> bytes:
            return persist_and_seal(shares.bits, shares.transcript)

        return compare_as_evaluator_1(
            channel,
            session,
            product,
            self._take_mask(session.layout),
            self._prover,
            self._peers[session.evaluator_2.name],
            fixed_shares=fixed,
            seal=seal,
            randomness=self._randomness,
            on_mask_consumed=_forget,
            executor=self._executor,
        )

    def evaluator_2(
        self, channel: Channel, session: ComparisonSession, product: Ciphertext
    ) -> Coroutine[Any, Any, ComparisonOutcome]:
        """Return the program of the evaluator that opens the masked sum."""
        return compare_as_evaluator_2(
            channel,
            session,
            product,
            self._keys.key_share,
            self._verifier,
            self._keys.dgk,
            self._own,
            encryptor=self.encryptor,
            executor=self._executor,
        )

    def _take_mask(self, layout: Layout) -> Mask:
        with self._lock:
            stock = self._masks.setdefault(layout, deque())
            if stock:
                return stock.popleft()
        return prepare_mask(self.encryptor, layout, self._keys.name, self._randomness)

    def stock(self) -> dict[str, int]:
        """Return how many pieces of each kind of material are ready."""
        return {
            "masks": sum(len(stock) for stock in self._masks.values()),
            "proofs": self._prover.stock,
            "dgk_own": self._own.pool_size,
            "dgk_peers": min((peer.pool_size for peer in self._peers.values()), default=0),
        }

    def refill(self, policies: list[Policy]) -> bool:
        """Make one piece of material that is missing; False when all is ready. Run it while idle, again and again."""
        return self._refill_masks(policies) or self._refill_proofs() or self._refill_dgk(policies)

    def _refill_masks(self, policies: list[Policy]) -> bool:
        for layout in {layout_of(policy, self.encryptor.key) for policy in policies}:
            stock = self._masks.setdefault(layout, deque())
            if len(stock) < READY_RUNS:
                mask = prepare_mask(self.encryptor, layout, self._keys.name, self._randomness)
                with self._lock:
                    stock.append(mask)
                return True
        return False

    def _refill_proofs(self) -> bool:
        if self._prover.stock >= READY_RUNS:
            return False
        self._prover.refill(self._prover.stock + 1)
        return True

    def _refill_dgk(self, policies: list[Policy]) -> bool:
        """One run draws at most `width + 1` randomisers a slot."""
        wanted = READY_RUNS * max((_randomisers(policy) for policy in policies), default=0)
        for pool in (self._own, *self._peers.values()):
            if pool.pool_size < wanted:
                pool.refill(min(wanted, pool.pool_size + 8))
                return True
        return False


def _randomisers(policy: Policy) -> int:
    return (comparison_bits(policy) + 2) * len(slot_thresholds(policy))


def _forget(_identifier: bytes) -> None:
    """Nothing to persist: masks never outlive the process, and the run itself is pinned before it starts."""
