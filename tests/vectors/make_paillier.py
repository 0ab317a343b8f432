"""Write protocols/paillier/vectors/*.json: `python tests/vectors/make_paillier.py`. Deterministic; a test runs it too.

One scenario per file, named after it. `expect` is "accept", or the class of the refusal: "invalid-key",
"invalid-ciphertext", "invalid-proof", "usage". Bytes and large numbers are hexadecimal. `output` is what results.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from privcredit.crypto.knowledge import KnowledgeProof, prove_knowledge  # noqa: E402
from privcredit.crypto.packing import Layout  # noqa: E402
from privcredit.crypto.paillier import Ciphertext, Encryptor, PrivateKey  # noqa: E402
from support.seeded import SeededRandomness  # noqa: E402 - the path must be set first when run as a script

FOLDER = ROOT / "protocols" / "paillier" / "vectors"
SEED = "paillier vectors"
BITS = 512
"""Short keys keep the files readable; `minimum_bits` in the input says that the bound is lowered."""

Case = dict[str, Any]
Named = tuple[str, Case]


class World:
    """What the scenarios share, drawn from one seed."""

    def __init__(self) -> None:
        self.randomness = SeededRandomness(SEED)
        self.private = PrivateKey.generate(BITS, self.randomness, minimum_bits=BITS)
        self.key = self.private.key
        self.encryptor = Encryptor(self.key, self.randomness, window=4)
        self.n = int(self.key.n)
        self.p, self.q = self.private.primes
        self.public = {"n": f"{self.n:x}", "minimum_bits": BITS}

    def encoded(self, value: int) -> str:
        return int(value).to_bytes(self.key.ciphertext_bytes, "big").hex()


def case(step: str, comment: str, given: Case, *, expect: str = "accept", output: object = None) -> Case:
    return {"step": step, "comment": comment, "expect": expect, "input": given, "output": output}


def moduli(world: World) -> Iterator[Named]:
    mersenne = 2**521 - 1
    bad = {
        "short": (world.n, 2048, "512 bits where 2048 are the bound."),
        "even": (world.n + 1, BITS, "An even modulus."),
        "prime": (mersenne, BITS, "A prime: anyone could decrypt."),
        "square": (mersenne**2, BITS, "A square shares factors with its own totient."),
        "small-factor": (65521 * mersenne, BITS, "Divisible by the largest prime below 2^16."),
        "over-long": (2**8192 + 1, BITS, "8193 bits: a flood, not a key."),
    }
    output = {"fingerprint": world.key.fingerprint.hex(), "hs": f"{int(world.key.hs):x}"}
    yield "modulus-accepted", case("modulus", "hs and the fingerprint follow from n.", world.public, output=output)
    for name, (number, minimum, comment) in bad.items():
        given = {"n": f"{number:x}", "minimum_bits": minimum}
        yield f"modulus-{name}", case("modulus", comment, given, expect="invalid-key")


def encryptions(world: World) -> Iterator[Named]:
    messages = {"zero": 0, "score": 700, "largest": world.n - 1, "negative": -5}
    for name, message in messages.items():
        fresh, opening = world.encryptor.encrypt_with_opening(message)
        given = world.public | {"message": f"{message:x}", "exponent": f"{opening.exponent:x}"}
        yield f"encrypt-{name}", case("encrypt", "(1 + m n) hs^r mod n^2.", given, output=fresh.to_bytes().hex())
        given = world.public | {"p": f"{world.p:x}", "q": f"{world.q:x}", "ciphertext": fresh.to_bytes().hex()}
        output = f"{message % world.n:x}"
        yield f"decrypt-{name}", case("decrypt", "The plaintext between 0 and n.", given, output=output)
    given = world.public | {"message": f"{world.n:x}", "exponent": "2"}
    yield "encrypt-too-large", case("encrypt", "A message as large as n.", given, expect="usage")


def receptions(world: World) -> Iterator[Named]:
    good = world.encryptor.encrypt(1).to_bytes().hex()
    bad = {
        "zero": (world.encoded(0), "The value 0."),
        "modulus": (world.encoded(world.n), "The value n: not a unit."),
        "multiple-of-p": (world.encoded(world.p * 12345), "A multiple of one prime: not a unit."),
        "n-squared": (world.encoded(world.n**2), "The value n^2, just out of range."),
        "unreduced": (world.encoded(world.n**2 + 1), "n^2 + 1: another spelling of 1."),
        "short": (good[2:], "One byte short."),
        "long": ("00" + good, "A leading zero byte too many."),
        "empty": ("", "No byte at all."),
    }
    yield "receive-accepted", case("receive", "A fresh ciphertext.", world.public | {"ciphertext": good})
    one = world.public | {"ciphertext": world.encoded(1)}
    yield "receive-one", case("receive", "1 encrypts 0 without randomness: valid, though no party sends it.", one)
    for name, (data, comment) in bad.items():
        given = world.public | {"ciphertext": data}
        yield f"receive-{name}", case("receive", comment, given, expect="invalid-ciphertext")


def sums(world: World) -> Iterator[Named]:
    data = [world.encryptor.encrypt(points).to_bytes() for points in (120, 80, 40, 7)]
    given = world.public | {"ciphertexts": [item.hex() for item in data]}
    output = world.encoded(world.key.receive_sum(data).value)
    yield "sum-accepted", case("sum", "The product modulo n^2 encrypts 247.", given, output=output)
    given = world.public | {"ciphertexts": [data[0].hex(), world.encoded(world.q), data[1].hex()]}
    yield "sum-one-bad", case("sum", "One gcd of the product finds it.", given, expect="invalid-ciphertext")
    given = world.public | {"ciphertexts": []}
    yield "sum-empty", case("sum", "A sum of nothing has no ciphertext.", given, expect="usage")


def comparisons(world: World) -> Iterator[Named]:
    layout = Layout(BITS, 10, 3)
    totals, thresholds = [0, 500, 1023], [[0, 1, 1024], [499, 500, 501], [1022, 1023, 1024]]
    masks = {"random": layout.draw_mask(world.randomness), "zero": 0, "ones": (1 << layout.mask_bits) - 1}
    for name, mask in masks.items():
        given = {"key_bits": BITS, "score_bits": 10, "slots": 3, "sums": totals, "thresholds": thresholds}
        given |= {"mask": f"{mask:x}", "masked": f"{layout.pack(totals) + mask:x}"}
        output = [[int(total >= t) for t in row] for total, row in zip(totals, thresholds, strict=True)]
        yield f"compare-{name}-mask", case("compare", "Equality answers yes; so does T = 0.", given, output=output)
    bad = {
        "overflow": ({"sums": [1024, 0, 0]}, "2^l does not fit a slot."),
        "negative": ({"sums": [-1, 0, 0]}, "Scores are offset to be non-negative."),
        "threshold": ({"thresholds": [[1025], [0], [0]]}, "A threshold above 2^l."),
        "too-many-slots": ({"slots": 60, "sums": [0] * 60, "thresholds": [[0]] * 60}, "41 slots fit."),
    }
    for name, (change, comment) in bad.items():
        base = {"key_bits": BITS, "score_bits": 10, "slots": 3, "sums": totals, "thresholds": thresholds, "mask": "0"}
        yield f"compare-{name}", case("compare", comment, base | {"masked": "0"} | change, expect="usage")


def proofs(world: World) -> Iterator[Named]:
    context, width = b"holder bank, query 1", 12
    fresh, opening = world.encryptor.encrypt_with_opening(700)
    proof = prove_knowledge(world.encryptor, fresh, opening, context, world.randomness, width)
    base = world.public | {"context": context.hex(), "message_bits": width}

    def proved(comment: str, *, expect: str = "invalid-proof", **change: object) -> Case:
        given = base | {"ciphertext": fresh.to_bytes().hex(), "proof": proof.to_bytes().hex()} | change
        return case("knowledge", comment, given, expect=expect)

    yield "knowledge-accepted", proved("An honest proof for a score of 12 bits.", expect="accept")
    yield "knowledge-other-context", proved("Replayed by the court.", context=b"holder court, query 1".hex())
    inverted = world.encoded((fresh * -1).value)
    yield "knowledge-inverted-ciphertext", proved("The inverse of another's ciphertext.", ciphertext=inverted)
    shifted = world.encoded((fresh + 1).value)
    yield "knowledge-shifted-ciphertext", proved("Another's ciphertext plus one.", ciphertext=shifted)
    yield "knowledge-other-width", proved("A proof for another width.", message_bits=13)
    yield "knowledge-short", proved("One byte short.", proof=proof.to_bytes()[:-1].hex())
    yield "knowledge-empty", proved("No proof.", proof="")
    for field in ("message", "exponent", "blinder"):
        comment = f"The response for the {field} is one too large."
        changed = _changed(proof, field, getattr(proof, field) + 1)
        yield f"knowledge-changed-{field}", proved(comment, proof=changed.to_bytes().hex())
    wide = _changed(proof, "message", (1 << (width + 192)) + (1 << (width + 128)))
    yield "knowledge-out-of-bounds", proved("A response at its bound, still in its bytes.", proof=wide.to_bytes().hex())
    zero = _changed(proof, "commitment", 0)
    yield "knowledge-zero-commitment", proved("The commitment 0 is no unit.", proof=zero.to_bytes().hex())
    yield "knowledge-fraction", _fraction(world, context, width, proved)


def _changed(proof: KnowledgeProof, field: str, value: int) -> KnowledgeProof:
    fields = {name: getattr(proof, name) for name in KnowledgeProof.__dataclass_fields__}
    return KnowledgeProof(**(fields | {field: value}))


def _fraction(world: World, context: bytes, width: int, proved: Any) -> Case:
    """A plaintext 1/2 mod n, answered within the bounds as its forger can whenever the challenge is even."""
    from privcredit.crypto import knowledge

    half = pow(2, -1, world.n)
    fresh, opening = world.encryptor.encrypt_with_opening(half)
    masks = [1 << (width + 190), 1 << 440, 1 << 440]
    for blinder in range(2, 100):
        commitments = world.encryptor.commitments
        commitment = commitments.commit(half, blinder)
        announced = knowledge._encryption(world.encryptor, *masks[:2]), commitments.commit(masks[0], masks[2])
        e = knowledge._challenge(fresh, commitment, announced, context, width)
        if e % 2 == 0:
            answers = masks[0] + e // 2, masks[1] + e * opening.exponent, masks[2] + e * blinder
            proof = KnowledgeProof(world.key, width, commitment, e, *answers)
            comment = "Plaintext 1/2 mod n with responses in bounds: the integer commitment refuses it."
            value = world.encoded(Ciphertext(world.key, fresh.value).value)
            return proved(comment, ciphertext=value, proof=proof.to_bytes().hex())  # type: ignore[no-any-return]
    raise RuntimeError("No even challenge in 98 hashes.")


def cases() -> dict[str, Case]:
    """Return all scenarios by name; the same at every call."""
    world = World()
    makers = (moduli, encryptions, receptions, sums, comparisons, proofs)
    return {name: made for maker in makers for name, made in maker(world)}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, made in cases().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    main()
