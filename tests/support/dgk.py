"""Toy and production-size comparisons: keys, sessions, and both programs in one process."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cache

from privcredit.channels.in_process import InProcessNetwork, Outcome
from privcredit.channels.interface import Channel
from privcredit.crypto.ceremony import Dealing
from privcredit.crypto.dgk import DgkEncryptor
from privcredit.crypto.dgk_keys import DgkPrivateKey
from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import Ciphertext, Encryptor
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.share_proof import ShareProver, ShareVerifier
from privcredit.protocols.paillier_dgk import (
    ComparisonOutcome,
    ComparisonSession,
    Evaluator,
    Mask,
    OutputShares,
    compare_as_evaluator_1,
    compare_as_evaluator_2,
    prepare_mask,
)
from privcredit.protocols.paillier_dgk.masks import prove_mask
from support.keys import dealing_2048, dealing_3072, toy_dealing
from support.seeded import SeededRandomness

TOY_DGK_BITS = 96
TOY_SUBGROUP_BITS = 16


@cache
def toy_dgk(comparison_bits: int = 10) -> DgkPrivateKey:
    return DgkPrivateKey.generate(
        TOY_DGK_BITS,
        comparison_bits,
        SeededRandomness(f"toy dgk {comparison_bits}"),
        subgroup_bits=TOY_SUBGROUP_BITS,
        minimum_bits=TOY_DGK_BITS - 1,
    )


@cache
def dgk_key(bits: int, comparison_bits: int = 40) -> DgkPrivateKey:
    """A production-size key, the same on every run; takes about a second to make. Never use it."""
    return DgkPrivateKey.generate(bits, comparison_bits, SeededRandomness(f"dgk {bits}"))


@dataclass
class Bench:
    """Everything two evaluators need, and knobs to break it."""

    dealing: Dealing
    dgk: DgkPrivateKey
    randomness: Randomness = field(default_factory=lambda: SeededRandomness("bench"))
    indices: tuple[int, int] = (1, 2)

    def __post_init__(self) -> None:
        first, second = self.indices
        threshold_key = self.dealing.threshold_key
        self.encryptor = Encryptor(threshold_key.key, self.randomness)
        self.prover = ShareProver(threshold_key, self.dealing.shares[first - 1], self.randomness)
        self.key_share = self.dealing.shares[second - 1]
        self.verifier = ShareVerifier(threshold_key)
        self.peer_dgk: DgkEncryptor = self.dgk.public.encryptor(self.randomness)
        self.own_dgk: DgkEncryptor = self.dgk.encryptor(self.randomness)
        self.consumed: list[bytes] = []

    def session(self, layout: Layout, thresholds: Sequence[int], context: bytes = b"context") -> ComparisonSession:
        first, second = self.indices
        return ComparisonSession(
            self.dealing.threshold_key,
            layout,
            tuple(thresholds),
            context,
            Evaluator("authority-1", first),
            Evaluator("authority-2", second),
        )

    def encrypt(self, layout: Layout, scores: Sequence[int]) -> Ciphertext:
        return self.encryptor.encrypt(layout.pack(scores))

    def mask(self, layout: Layout, value: int | None = None) -> Mask:
        if value is None:
            return prepare_mask(self.encryptor, layout, "authority-1", self.randomness)
        return prove_mask(self.encryptor, layout, "authority-1", value, self.randomness)

    def settle(
        self,
        session: ComparisonSession,
        product: Ciphertext,
        mask: Mask,
        shares: Sequence[int],
        *,
        wrap: Callable[[Channel, str], Channel] = lambda channel, _: channel,
        network: InProcessNetwork | None = None,
        product_2: Ciphertext | None = None,
        session_2: ComparisonSession | None = None,
        executor: Executor | None = None,
        seal: Callable[[OutputShares], bytes] = lambda output: b"sealed:" + bytes(len(output.bits)),
    ) -> dict[str, Outcome[ComparisonOutcome]]:
        network = network or InProcessNetwork()
        first, second = session.evaluator_1.name, session.evaluator_2.name
        return network.settle(
            {
                first: compare_as_evaluator_1(
                    wrap(network.channel(first), first),
                    session,
                    product,
                    mask,
                    self.prover,
                    self.peer_dgk,
                    fixed_shares=shares,
                    seal=seal,
                    randomness=self.randomness,
                    on_mask_consumed=self.consumed.append,
                    executor=executor,
                ),
                second: compare_as_evaluator_2(
                    wrap(network.channel(second), second),
                    session_2 or session,
                    product_2 or product,
                    self.key_share,
                    self.verifier,
                    self.dgk,
                    self.own_dgk,
                    encryptor=self.encryptor,
                    executor=executor,
                ),
            }
        )

    def compare(
        self, session: ComparisonSession, product: Ciphertext, mask: Mask, shares: Sequence[int], **knobs: object
    ) -> list[int]:
        """Run both programs and return the answers, one bit for each slot."""
        outcomes = [outcome.result() for outcome in self.settle(session, product, mask, shares, **knobs).values()]
        one, two = outcomes
        assert one.transcript == two.transcript
        assert one.sealed_share == two.sealed_share
        return [a ^ b for a, b in zip(one.shares.bits, two.shares.bits, strict=True)]


def toy_bench(bits: int = 40, comparison_bits: int = 10) -> Bench:
    return Bench(toy_dealing(bits), toy_dgk(comparison_bits))


def full_bench(bits: int = 2048) -> Bench:
    return Bench({2048: dealing_2048, 3072: dealing_3072}[bits](), dgk_key(bits))
