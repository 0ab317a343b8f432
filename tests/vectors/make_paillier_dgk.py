"""Writes protocols/paillier-dgk/vectors/*.json; run by hand in tests/: `python -m vectors.make_paillier_dgk`.

Each file is one scenario. The keys are toy keys (but for one file) and public: never use them.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import Encryptor
from privcredit.crypto.transcript import int_bytes
from privcredit.errors import UnavailableError
from privcredit.messages.codec import decode, encode
from privcredit.protocols.paillier_dgk.masks import prove_mask
from privcredit.protocols.paillier_dgk.messages import (
    BlindedDifferences,
    EncryptedBits,
    MaskAnnouncement,
    OpeningShare,
)
from support.dgk import Bench, dgk_key, toy_dgk
from support.dgk_vectors import NAMES, read_parts, replay, scripted
from support.keys import dealing_2048, fixed_primes, toy_dealing, toy_primes
from support.seeded import SeededRandomness

TARGET = Path(__file__).parents[2] / "protocols" / "paillier-dgk" / "vectors"
TOY_BITS = 64
KINDS = {kind.__name__: kind for kind in (MaskAnnouncement, OpeningShare, EncryptedBits, BlindedDifferences)}


def hexadecimal(value: int, length: int | None = None) -> str:
    return f"{int(value):x}" if length is None else int(value).to_bytes(length, "big").hex()


def key_fields(bits: int) -> tuple[dict[str, Any], Bench]:
    toy = bits == TOY_BITS
    dealing = toy_dealing(bits) if toy else dealing_2048()
    dgk = toy_dgk(10) if toy else dgk_key(bits)
    public = dgk.public
    numbers = {"n": public.n, "g": public.g, "h": public.h, "p": dgk._p, "q": dgk._q, "v_p": dgk._v_p, "v_q": dgk._v_q}
    fields = {
        **dealing.threshold_key.to_dict(),
        "primes": [hexadecimal(prime) for prime in (toy_primes(bits) if toy else fixed_primes(bits))],
        "shares": [hexadecimal(share.secret) for share in dealing.shares],
        "dgk": {name: hexadecimal(value) for name, value in numbers.items()}
        | {"u": public.u, "subgroup_bits": public.subgroup_bits},
    }
    return fields, Bench(dealing, dgk, SeededRandomness("vectors"))


def accepted(
    comment: str,
    scores: list[int],
    thresholds: list[int],
    *,
    score_bits: int,
    mask: int | None = None,
    fixed_bits: list[int] | None = None,
    indices: tuple[int, int] = (1, 2),
    context: bytes = b"context",
    bits: int = TOY_BITS,
) -> dict[str, Any]:
    """Return one accepted scenario: all inputs, the four messages, both outputs."""
    keys, bench = key_fields(bits)
    sigma = 8 if bits == TOY_BITS else 64
    shape = Layout(bits, score_bits, len(scores), sigma, minimum_sigma=sigma)
    drawn = bench.mask(shape, mask)
    vector = {
        "comment": comment,
        "expect": "accept",
        "toy_bits": bits - 1 if bits == TOY_BITS else bits,
        "seed": comment,
        "keys": keys,
        "session": {
            "score_bits": score_bits,
            "sigma": sigma,
            "thresholds": thresholds,
            "context": context.hex(),
            "names": list(NAMES),
            "indices": list(indices),
            "fixed_bits": fixed_bits or [0] * len(scores),
        },
        "scores": scores,
        "product": bench.encrypt(shape, scores).to_bytes().hex(),
        "mask": hexadecimal(drawn.consume()),
        "mask_ciphertext": drawn.ciphertext.to_bytes().hex(),
        "mask_proof": drawn.proof.hex(),
        "sealed_share": b"sealed to the verifier".hex(),
    }
    return vector | exchange(vector)


def exchange(vector: dict[str, Any]) -> dict[str, Any]:
    """Run both programs, each against what the other has sent so far, and return messages and outputs."""
    sent: dict[int, list[dict[str, str]]] = {1: [], 2: []}
    outcomes = {}
    for evaluator in (1, 2, 1, 2):
        channel = scripted(sent[3 - evaluator])
        with suppress(UnavailableError):
            outcomes[evaluator] = replay(read_parts(vector), evaluator, channel)
        sent[evaluator] = channel.sent
    first, second = sent[1], sent[2]
    order = [(1, first[0]), (1, first[1]), (2, second[0]), (1, first[2])]
    one, two = outcomes[1].shares, outcomes[2].shares
    return {
        "messages": [{"sender": sender, **message} for sender, message in order],
        "output": {
            "bits_1": list(one.bits),
            "bits_2": list(two.bits),
            "answers": [a ^ b for a, b in zip(one.bits, two.bits, strict=True)],
            "transcript": one.transcript.hex(),
        },
    }


Change = Callable[[Any, dict[str, Any]], Any]


def rejected(
    base: dict[str, Any], comment: str, place: int, change: Change, step: str, *, honest_transcript: bool = True
) -> dict[str, Any]:
    """Return a scenario whose message number `place` is wrong, with the transcript that its sender would compute."""
    vector = {name: value for name, value in base.items() if name not in {"output", "messages"}}
    messages = [decode(bytes.fromhex(m["data"]), KINDS[m["kind"]]) for m in base["messages"][: place + 1]]
    sender = base["messages"][place]["sender"]
    messages[place] = change(messages[place], base)
    if honest_transcript:
        messages[place] = msgspec.structs.replace(messages[place], transcript=transcript_of(base, messages))
    evaluator = 3 - sender
    incoming = [m for m, old in zip(messages, base["messages"], strict=False) if old["sender"] == sender]
    return vector | {
        "comment": comment,
        "expect": "reject",
        "evaluator": evaluator,
        "incoming": [{"kind": type(m).__name__, "data": encode(m).hex()} for m in incoming],
        "error": {"culprit": NAMES[sender - 1], "step": step},
    }


def transcript_of(base: dict[str, Any], messages: list[Any]) -> bytes:
    """Return the transcript field that belongs into the last of `messages`."""
    parts = read_parts(base)
    transcript = parts.session.begin(parts.product, parts.dgk.public)
    value = b""
    for message in messages:
        if isinstance(message, MaskAnnouncement):
            value = transcript.extend("mask announcement", message.ciphertext, message.proof)
        elif isinstance(message, OpeningShare):
            value = transcript.extend("opening share", message.partial, message.proof)
        elif isinstance(message, EncryptedBits):
            value = transcript.extend_slots("encrypted bits", message.slots)
        else:
            transcript.extend_slots("blinded differences", message.slots)
            value = transcript.after("sealed share", message.sealed_share)
    return value


def raw(base: dict[str, Any], comment: str, place: int, change: Callable[[bytes], bytes]) -> dict[str, Any]:
    """Return a scenario whose message number `place` has changed bytes that the codec refuses."""
    vector = rejected(base, comment, place, lambda message, _: message, "receive")
    data = bytes.fromhex(vector["incoming"][-1]["data"])
    vector["incoming"][-1]["data"] = change(data).hex()
    return vector


def replacing(**changes: Callable[[Any, dict[str, Any]], Any]) -> Change:
    """Return a change that sets fields to functions of the message and the vector."""

    def change(message: Any, base: dict[str, Any]) -> Any:
        return msgspec.structs.replace(message, **{name: make(message, base) for name, make in changes.items()})

    return change


def paillier_n(base: dict[str, Any]) -> int:
    return int(base["keys"]["n"], 16)


def dgk_bytes(value: int, base: dict[str, Any]) -> bytes:
    return value.to_bytes((int(base["keys"]["dgk"]["n"], 16).bit_length() + 7) // 8, "big")


def shifted_partial(message: Any, base: dict[str, Any]) -> bytes:
    n = paillier_n(base)
    return (int.from_bytes(message.partial, "big") * (1 + n) % (n * n)).to_bytes(len(message.partial), "big")


def without_contribution(message: Any, base: dict[str, Any], points: int) -> bytes:
    key = read_parts(base).product.key
    contribution = Encryptor(key, SeededRandomness("contribution")).encrypt(points)
    return int_bytes((key.ciphertext(message.ciphertext) + contribution * -1).value, key.ciphertext_bytes)


def made_by(maker: str, message: Any, base: dict[str, Any], wider: int = 0) -> Any:
    parts, randomness = read_parts(base), SeededRandomness(maker)
    shape = replace(parts.session.layout, sigma=parts.session.layout.sigma + wider)
    mask = prove_mask(Encryptor(parts.product.key, randomness), shape, maker, 1234, randomness)
    return msgspec.structs.replace(message, ciphertext=mask.ciphertext.to_bytes(), proof=mask.proof)


def with_last(message: Any, ciphertext: bytes) -> tuple[tuple[bytes, ...], ...]:
    return ((*message.slots[0][:-1], ciphertext), *message.slots[1:])


def unknown_field(data: bytes) -> bytes:
    return bytes([data[0] + 1]) + data[1:] + b"\xa5extra\x01"


def acceptances() -> dict[str, dict[str, Any]]:
    return {
        "equality": accepted("S = T answers yes.", [5], [5], score_bits=3, mask=1234),
        "one-below": accepted("S = T - 1 answers no.", [4], [5], score_bits=3, mask=1234),
        "threshold-0": accepted("T = 0 answers yes for S = 0.", [0], [0], score_bits=3, mask=0, fixed_bits=[1]),
        "threshold-2-to-the-l": accepted("T = 2^l answers no for the greatest S.", [7], [8], score_bits=3, mask=4095),
        "three-slots-with-carries": accepted(
            "The mask is all ones, so every addition carries into the next slot.",
            [3, 1, 2],
            [3, 2, 0],
            score_bits=2,
            mask=(1 << 17) - 1,
            fixed_bits=[1, 0, 1],
        ),
        "rerun-first": accepted(
            "First run for a nullifier; see rerun-second.",
            [6],
            [4],
            score_bits=3,
            mask=777,
            fixed_bits=[1],
            context=b"1",
        ),
        "rerun-second": accepted(
            "The rerun has another mask and other messages, and the same two output bits.",
            [6],
            [4],
            score_bits=3,
            mask=2024,
            fixed_bits=[1],
            context=b"2",
        ),
        "other-authorities": accepted("Authorities 3 and 1 compare.", [2], [6], score_bits=3, mask=99, indices=(3, 1)),
        "production-size": accepted(
            "2048 bits, sigma 64, two tiers of one score.", [1000, 1000], [1000, 1001], score_bits=13, bits=2048
        ),
    }


def rejections() -> dict[str, dict[str, Any]]:
    base = accepted("Base of the rejections.", [5], [5], score_bits=3, mask=1234)
    other = accepted("Another session.", [5], [5], score_bits=3, mask=1234, context=b"other")
    n = paillier_n(base)
    size = len(bytes.fromhex(base["mask_ciphertext"]))
    dgk = {name: int(value, 16) for name, value in base["keys"]["dgk"].items() if isinstance(value, str)}
    from_other = [decode(bytes.fromhex(m["data"]), KINDS[m["kind"]]) for m in other["messages"]]
    make = {
        "mask-ciphertext-zero": (
            "[[R]] is 0.",
            0,
            replacing(ciphertext=lambda *_: bytes(size)),
            "read mask announcement",
        ),
        "mask-ciphertext-n": (
            "[[R]] is n, which is no unit.",
            0,
            replacing(ciphertext=lambda *_: n.to_bytes(size, "big")),
            "read mask announcement",
        ),
        "mask-ciphertext-short": (
            "[[R]] lacks its first byte.",
            0,
            replacing(ciphertext=lambda m, _: m.ciphertext[1:]),
            "read mask announcement",
        ),
        "mask-without-a-contribution": (
            "[[R]] also takes a contribution of 5 out of the sum; the proof is that of [[R]] without it.",
            0,
            replacing(ciphertext=lambda m, b: without_contribution(m, b, 5)),
            "verify plaintext knowledge",
        ),
        "mask-proof-changed": (
            "The last bit of the last response is flipped.",
            0,
            replacing(proof=lambda m, _: m.proof[:-1] + bytes([m.proof[-1] ^ 1])),
            "verify plaintext knowledge",
        ),
        "mask-proof-out-of-range": (
            "The three responses are all ones, above their bounds; refused before any exponentiation.",
            0,
            replacing(proof=lambda m, _: m.proof[:26] + b"\xff" * (len(m.proof) - 26)),
            "verify plaintext knowledge",
        ),
        "mask-proof-of-another-authority": (
            "A mask and its proof that authority-3 made.",
            0,
            lambda m, b: made_by("authority-3", m, b),
            "verify plaintext knowledge",
        ),
        "mask-proof-of-another-width": (
            "The proof is for a mask one bit wider than the session's.",
            0,
            lambda m, b: made_by(NAMES[0], m, b, wider=1),
            "verify plaintext knowledge",
        ),
        "partial-times-1-plus-n": (
            "The partial decryption is shifted by a known amount; only the proof shows it.",
            1,
            replacing(partial=shifted_partial),
            "verify share proof",
        ),
        "share-proof-changed": (
            "The last bit of the response is flipped.",
            1,
            replacing(proof=lambda m, _: m.proof[:-1] + bytes([m.proof[-1] ^ 1])),
            "verify share proof",
        ),
        "share-proof-out-of-range": (
            "The response is all ones, above its bound; refused before any exponentiation.",
            1,
            replacing(proof=lambda m, _: m.proof[:16] + b"\xff" * (len(m.proof) - 16)),
            "verify share proof",
        ),
        "bits-one-too-few": (
            "Evaluator 2 leaves out its highest bit.",
            2,
            replacing(slots=lambda m, _: (m.slots[0][:-1],)),
            "read encrypted bits",
        ),
        "bits-multiple-of-p": (
            "An encrypted bit is a multiple of p.",
            2,
            replacing(slots=lambda m, b: with_last(m, dgk_bytes(3 * dgk["p"], b))),
            "read encrypted bits",
        ),
        "bits-equal-n": (
            "An encrypted bit is n itself.",
            2,
            replacing(slots=lambda m, b: with_last(m, dgk_bytes(dgk["n"], b))),
            "read encrypted bits",
        ),
        "differences-one-too-many": (
            "Evaluator 1 sends l' + 2 values.",
            3,
            replacing(slots=lambda m, _: ((*m.slots[0], m.slots[0][0]),)),
            "read blinded differences",
        ),
        "differences-zero": (
            "A blinded difference is 0.",
            3,
            replacing(slots=lambda m, b: with_last(m, dgk_bytes(0, b))),
            "read blinded differences",
        ),
    }
    honest = {name: rejected(base, *arguments) for name, arguments in make.items()}
    stale = {
        "mask-of-another-session": rejected(
            base,
            "A mask announcement replayed from a session with another context.",
            0,
            lambda *_: from_other[0],
            "read mask announcement",
            honest_transcript=False,
        ),
        "sealed-share-exchanged": rejected(
            base,
            "The sealed share was exchanged on the way.",
            3,
            replacing(sealed_share=lambda *_: b"sealed by somebody else"),
            "read blinded differences",
            honest_transcript=False,
        ),
    }
    bytes_ = {
        "trailing-byte": raw(base, "A byte follows the message.", 0, lambda data: data + b"\0"),
        "unknown-field": raw(base, "The message has a field that the protocol does not know.", 0, unknown_field),
    }
    return honest | stale | bytes_


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for old in TARGET.glob("*.json"):
        old.unlink()
    for name, vector in (acceptances() | rejections()).items():
        (TARGET / f"{name}.json").write_text(json.dumps(vector, indent=1) + "\n")


if __name__ == "__main__":
    main()
