"""Runs paillier-dgk programs against the messages of a vector file."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from gmpy2 import mpz

from privcredit.channels.drive import run_to_completion
from privcredit.channels.in_process import open_parcel
from privcredit.channels.interface import Address
from privcredit.crypto.dgk import DgkPublicKey
from privcredit.crypto.dgk_keys import DgkPrivateKey
from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import Ciphertext, Encryptor, FreshCiphertext
from privcredit.crypto.share_proof import ShareProver, ShareVerifier
from privcredit.crypto.threshold import KeyShare, ThresholdKey
from privcredit.errors import UnavailableError
from privcredit.messages.codec import encode
from privcredit.protocols.paillier_dgk import (
    ComparisonOutcome,
    ComparisonSession,
    Evaluator,
    Mask,
    compare_as_evaluator_1,
    compare_as_evaluator_2,
)
from privcredit.protocols.paillier_dgk.masks import mask_context
from support.seeded import SeededRandomness

NAMES = ("authority-1", "authority-2")


def number(text: str) -> int:
    return int(text, 16)


@dataclass
class Parts:
    """The objects that a vector file describes."""

    session: ComparisonSession
    product: Ciphertext
    mask: Mask
    shares: Sequence[KeyShare]
    dgk: DgkPrivateKey
    fixed_bits: Sequence[int]
    sealed_share: bytes
    seed: str


def read_parts(vector: dict[str, Any]) -> Parts:
    keys, given = vector["keys"], vector["session"]
    threshold_key = ThresholdKey.from_dict(
        {"n": keys["n"], "verification": keys["verification"]}, minimum_bits=vector["toy_bits"]
    )
    key = threshold_key.key
    layout = Layout(
        key.bits, given["score_bits"], len(given["thresholds"]), given["sigma"], minimum_sigma=given["sigma"]
    )
    evaluators = [Evaluator(name, index) for name, index in zip(NAMES, given["indices"], strict=True)]
    session = ComparisonSession(
        threshold_key, layout, tuple(given["thresholds"]), bytes.fromhex(given["context"]), *evaluators
    )
    return Parts(
        session,
        key.ciphertext(bytes.fromhex(vector["product"])),
        Mask(
            number(vector["mask"]),
            FreshCiphertext(key, mpz(number(vector["mask_ciphertext"]))),
            bytes.fromhex(vector["mask_proof"]),
            mask_context(key, layout, NAMES[0]),
        ),
        [KeyShare(index, key.fingerprint, number(keys["shares"][index - 1])) for index in given["indices"]],
        read_dgk(keys["dgk"], vector["toy_bits"]),
        given["fixed_bits"],
        bytes.fromhex(vector["sealed_share"]),
        vector["seed"],
    )


def read_dgk(plain: dict[str, Any], minimum_bits: int) -> DgkPrivateKey:
    n, g, h, p, q, v_p, v_q = (number(plain[name]) for name in ("n", "g", "h", "p", "q", "v_p", "v_q"))
    public = DgkPublicKey.create(n, g, h, plain["u"], plain["subgroup_bits"], minimum_bits=minimum_bits)
    return DgkPrivateKey(public, mpz(p), mpz(q), mpz(v_p), mpz(v_q))


@dataclass
class ScriptedChannel:
    """Delivers given messages and keeps what is sent."""

    incoming: deque[tuple[str, bytes]]
    sent: list[dict[str, str]] = field(default_factory=list)

    async def send(self, recipient: Address[Any], message: msgspec.Struct) -> None:
        recipient.check(message)
        self.sent.append({"kind": type(message).__name__, "data": encode(message).hex()})

    async def receive(self, sender: str, kind: type[Any]) -> Any:
        if not self.incoming:
            raise UnavailableError(f"{sender} does not answer.")
        name, data = self.incoming.popleft()
        return open_parcel(sender, name, data, kind)


def scripted(incoming: Sequence[dict[str, str]]) -> ScriptedChannel:
    return ScriptedChannel(deque((message["kind"], bytes.fromhex(message["data"])) for message in incoming))


def replay(parts: Parts, evaluator: int, channel: ScriptedChannel) -> ComparisonOutcome:
    """Run one evaluator's program on `channel`; raises what it raises."""
    randomness = SeededRandomness(f"{parts.seed} evaluator {evaluator}")
    if evaluator == 1:
        program = compare_as_evaluator_1(
            channel,
            parts.session,
            parts.product,
            parts.mask,
            ShareProver(parts.session.threshold_key, parts.shares[0], randomness),
            parts.dgk.public.encryptor(randomness),
            fixed_shares=parts.fixed_bits,
            seal=lambda _output: parts.sealed_share,
            randomness=randomness,
            on_mask_consumed=lambda _identifier: None,
        )
    else:
        program = compare_as_evaluator_2(
            channel,
            parts.session,
            parts.product,
            parts.shares[1],
            ShareVerifier(parts.session.threshold_key),
            parts.dgk,
            parts.dgk.encryptor(randomness),
            encryptor=Encryptor(parts.session.threshold_key.key, randomness, table=False),
        )
    return run_to_completion(program)
