"""Write protocols/threshold-paillier/vectors/*.json: `python tests/vectors/make_threshold.py`; a test runs it too.

One scenario per file, named after it; `expect` is "accept" (with `output` where there is one) or "reject". Numbers and
bytes are hexadecimal. All keys are toys.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import gmpy2  # noqa: E402 - the path must be set first when run as a script
from gmpy2 import mpz  # noqa: E402

from privcredit.crypto.ceremony import CONTEXT, Dealing  # noqa: E402
from privcredit.crypto.modulus_proof import ModulusProof, Round, _Roots, derived_base, derived_rounds  # noqa: E402
from privcredit.crypto.paillier import Ciphertext, Encryptor  # noqa: E402
from privcredit.crypto.primes import is_safe_prime, safe_prime  # noqa: E402
from privcredit.crypto.share_proof import ShareProof, ShareProver, prove_share, response_bound  # noqa: E402
from privcredit.crypto.threshold import DELTA, KeyShare, PartialDecryption, partial_decrypt  # noqa: E402
from support.keys import toy_dealing, toy_primes  # noqa: E402
from support.seeded import SeededRandomness  # noqa: E402

FOLDER = ROOT / "protocols" / "threshold-paillier" / "vectors"
SMALL, LARGE = 64, 256
"""Bits of the toy moduli: short files for proofs of 128 rounds, long numbers for the rest."""

Case = dict[str, Any]
Scenarios = Iterator[tuple[str, Case]]


def hexadecimal(value: Any) -> Any:
    """Bytes and large integers as hexadecimal; containers likewise."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [hexadecimal(item) for item in value]
    return value if isinstance(value, str) else f"{int(value):x}"


def case(step: str, comment: str, expect: str, output: Any = None, **given: Any) -> Case:
    made: Case = {
        "step": step,
        "comment": comment,
        "expect": expect,
        "input": {k: hexadecimal(v) for k, v in given.items()},
    }
    if output is not None:
        made["output"] = hexadecimal(output)
    return made


class World:
    """Three shares of one toy key, three ciphertexts, and everything about them."""

    context = b"session 7, epoch 3"
    messages = (0, 1, 2**40 + 5)

    @cached_property
    def dealing(self) -> Dealing:
        return toy_dealing(LARGE)

    @cached_property
    def n(self) -> int:
        return int(self.dealing.threshold_key.key.n)

    @cached_property
    def values(self) -> list[int]:
        return [int(value) for value in self.dealing.threshold_key.verification]

    @cached_property
    def ciphertexts(self) -> list[Ciphertext]:
        encryptor = Encryptor(self.dealing.threshold_key.key, SeededRandomness("vector ciphertexts"), table=False)
        return [encryptor.encrypt(message) for message in self.messages]

    def partial(self, index: int, number: int = 2) -> int:
        return int(partial_decrypt(self.dealing.shares[index - 1], self.ciphertexts[number]).value)

    def prover(self, share: KeyShare | None = None) -> ShareProver:
        share = share or self.dealing.shares[0]
        return ShareProver(self.dealing.threshold_key, share, SeededRandomness("vector proofs"))

    def proof(self, context: bytes | None = None) -> bytes:
        """Of authority 1's partial decryption of the third ciphertext."""
        context = self.context if context is None else context
        return self.prover().open(self.ciphertexts[2], context)[1].to_bytes(self.dealing.threshold_key.key)

    def prove(self, share: KeyShare, numbers: Sequence[int], partials: Sequence[int]) -> bytes:
        """What `share` proves about any values; the statement may be false."""
        chosen = [self.ciphertexts[number] for number in numbers]
        parts = [PartialDecryption(share.index, value) for value in partials]
        key = self.dealing.threshold_key
        return prove_share(key, share, chosen, parts, self.context, SeededRandomness("vector proofs")).to_bytes(key.key)


WORLD = World()


def proof_case(comment: str, expect: str, **changed: Any) -> Case:
    given: dict[str, Any] = {
        "n": WORLD.n,
        "verification": WORLD.values,
        "index": 1,
        "ciphertexts": [WORLD.ciphertexts[2].value],
        "partials": [WORLD.partial(1)],
        "proof": WORLD.proof(),
        "context": WORLD.context,
    }
    return case("share proof", comment, expect, **(given | changed))


def batch_case(comment: str, expect: str, partials: list[int], proof: bytes | None = None) -> Case:
    proof = proof or WORLD.prove(WORLD.dealing.shares[0], range(3), [WORLD.partial(1, number) for number in range(3)])
    return proof_case(comment, expect, ciphertexts=[c.value for c in WORLD.ciphertexts], partials=partials, proof=proof)


def opening() -> Scenarios:
    """Sections 1 to 3."""
    key = WORLD.dealing.threshold_key
    yield (
        "verification-base",
        case(
            "base",
            "v and the fingerprint of the key.",
            "accept",
            [key.v, key.fingerprint],
            n=WORLD.n,
            verification=WORLD.values,
        ),
    )
    for index, share in enumerate(WORLD.dealing.shares, start=1):
        given = {"n": WORLD.n, "ciphertext": WORLD.ciphertexts[2].value, "index": index, "secret": share.secret}
        yield (
            f"partial-decryption-{index}",
            case("partial", f"By authority {index}.", "accept", WORLD.partial(index), **given),
        )
    for pair in ((1, 2), (1, 3), (2, 3), (3, 1)):
        comment = "Any two open, in any order."
        yield (
            f"combine-{pair[0]}-{pair[1]}",
            combine_case(comment, "accept", [(i, WORLD.partial(i)) for i in pair], WORLD.messages[2]),
        )
    yield (
        "combine-negated-partial",
        combine_case(
            "A factor -1 is squared away.",
            "accept",
            [(1, WORLD.n**2 - WORLD.partial(1)), (2, WORLD.partial(2))],
            WORLD.messages[2],
        ),
    )
    yield "combine-one", combine_case("One partial decryption opens nothing.", "reject", [(1, WORLD.partial(1))])
    yield (
        "combine-three",
        combine_case("Three are not two; the caller chooses.", "reject", [(i, WORLD.partial(i)) for i in (1, 2, 3)]),
    )
    yield (
        "combine-index-0",
        combine_case("Index 0 would be the secret.", "reject", [(0, WORLD.partial(1)), (2, WORLD.partial(2))]),
    )
    yield (
        "combine-index-4",
        combine_case("There is no fourth authority.", "reject", [(4, WORLD.partial(1)), (2, WORLD.partial(2))]),
    )
    yield (
        "combine-duplicate",
        combine_case("The same authority twice.", "reject", [(1, WORLD.partial(1)), (1, WORLD.partial(1))]),
    )
    yield (
        "combine-index-modulo-field",
        combine_case(
            "1 + n m is 1 on the line.",
            "reject",
            [(1 + WORLD.n * order(LARGE), WORLD.partial(1)), (2, WORLD.partial(2))],
        ),
    )
    yield (
        "combine-other-ciphertext",
        combine_case(
            "Partials of two different ciphertexts.", "reject", [(1, WORLD.partial(1, 1)), (2, WORLD.partial(2, 2))]
        ),
    )
    yield (
        "combine-wrong-index",
        combine_case("Authority 3's partial under index 2.", "reject", [(1, WORLD.partial(1)), (2, WORLD.partial(3))]),
    )


def combine_case(comment: str, expect: str, partials: list[tuple[int, int]], output: int | None = None) -> Case:
    return case("combine", comment, expect, output, n=WORLD.n, partials=partials)


def order(bits: int) -> int:
    p, q = toy_primes(bits)
    return (p // 2) * (q // 2)


def single_proofs() -> Scenarios:
    """Section 4.2, and what must fail."""
    key, share = WORLD.dealing.threshold_key, WORLD.dealing.shares[0]
    good, square = WORLD.partial(1), WORLD.n**2
    yield "share-proof", proof_case("An honest proof.", "accept")
    yield (
        "share-proof-empty-context",
        proof_case("The context may be empty.", "accept", context=b"", proof=WORLD.proof(b"")),
    )
    negated = square - good
    yield (
        "share-proof-negated-partial",
        proof_case(
            "-c_i has the same square, and opens the same.",
            "accept",
            partials=[negated],
            proof=WORLD.prove(share, [2], [negated]),
        ),
    )
    third = WORLD.dealing.shares[2]
    yield (
        "share-proof-authority-3",
        proof_case(
            "Authority 3's.",
            "accept",
            index=3,
            partials=[WORLD.partial(3)],
            proof=WORLD.prove(third, [2], [WORLD.partial(3)]),
        ),
    )
    shifted = good * (1 + 7 * WORLD.n) % square
    yield "share-times-one-plus-n", proof_case("The old proof with c_i (1+n)^7.", "reject", partials=[shifted])
    yield (
        "share-times-one-plus-n-own-proof",
        proof_case(
            "A new proof for c_i (1+n)^7.", "reject", partials=[shifted], proof=WORLD.prove(share, [2], [shifted])
        ),
    )
    other = KeyShare(1, share.key_fingerprint, share.secret + 1)
    foreign = int(partial_decrypt(other, WORLD.ciphertexts[2]).value)
    yield (
        "own-share",
        proof_case(
            "A share of the prover's choice.", "reject", partials=[foreign], proof=WORLD.prove(other, [2], [foreign])
        ),
    )
    own_value = int(pow(key.v, DELTA * other.secret, square))
    own_key = [own_value, *WORLD.values[1:]]
    yield (
        "own-verification-value",
        proof_case(
            "The values do not fit v; the key is refused.",
            "reject",
            verification=own_key,
            partials=[foreign],
            proof=WORLD.prove(other, [2], [foreign]),
        ),
    )
    yield "other-context", proof_case("Replayed in another session.", "reject", context=b"session 8, epoch 3")
    yield (
        "context-one-byte-less",
        proof_case("The context's last byte is missing.", "reject", context=WORLD.context[:-1]),
    )
    yield "other-index", proof_case("Presented as authority 2's.", "reject", index=2)
    yield "other-ciphertext", proof_case("Of another ciphertext.", "reject", ciphertexts=[WORLD.ciphertexts[1].value])
    yield "other-partial", proof_case("Authority 2's partial decryption.", "reject", partials=[WORLD.partial(2)])
    yield "partial-zero", proof_case("0 is no unit.", "reject", partials=[0])
    yield "partial-multiple-of-p", proof_case("A multiple of p is no unit.", "reject", partials=[toy_primes(LARGE)[0]])
    yield "partial-not-reduced", proof_case("c_i + n^2.", "reject", partials=[good + square])
    yield (
        "proof-of-two-for-one",
        proof_case(
            "The number of ciphertexts is part of the statement.",
            "reject",
            proof=WORLD.prove(share, [2, 2], [good, good]),
        ),
    )
    yield from proof_bytes()


def proof_bytes() -> Scenarios:
    key, proof = WORLD.dealing.threshold_key.key, WORLD.proof()
    read = ShareProof.from_bytes(proof, key, "vector")
    at_bound = proof[:16] + response_bound(key).to_bytes(len(proof) - 16, "big")
    below = proof[:16] + (response_bound(key) - 1).to_bytes(len(proof) - 16, "big")
    yield (
        "response-at-bound",
        proof_case("z = 2^(A+256) + 2^(A+128): refused before any exponentiation.", "reject", proof=at_bound),
    )
    yield "response-below-bound", proof_case("In range, and wrong.", "reject", proof=below)
    yield (
        "response-all-ones",
        proof_case("The largest z of this length.", "reject", proof=proof[:16] + b"\xff" * (len(proof) - 16)),
    )
    plus_one = (read.response + 1).to_bytes(len(proof) - 16, "big")
    yield "response-plus-one", proof_case("z + 1.", "reject", proof=proof[:16] + plus_one)
    yield (
        "challenge-flipped",
        proof_case("The last bit of e.", "reject", proof=proof[:15] + bytes([proof[15] ^ 1]) + proof[16:]),
    )
    yield "proof-zero", proof_case("e = z = 0.", "reject", proof=bytes(len(proof)))
    yield "proof-empty", proof_case("No bytes.", "reject", proof=b"")
    yield "proof-one-byte-less", proof_case("One byte too few.", "reject", proof=proof[:-1])
    yield "proof-one-byte-more", proof_case("One byte too many.", "reject", proof=proof + b"\0")


def batches() -> Scenarios:
    """Section 4.3."""
    share, square, n = WORLD.dealing.shares[0], WORLD.n**2, WORLD.n
    good = [WORLD.partial(1, number) for number in range(3)]
    yield "batch", batch_case("Three ciphertexts under one proof.", "accept", good)
    yield "batch-swapped", batch_case("Two partial decryptions change places.", "reject", [good[1], good[0], good[2]])
    cancelling = [good[0] * (1 + 5 * n) % square, good[1] * (1 - 5 * n) % square, good[2]]
    yield (
        "batch-cancelling-errors",
        batch_case(
            "Factors (1+n)^5 and (1+n)^-5 cancel if all coefficients are equal.",
            "reject",
            cancelling,
            WORLD.prove(share, range(3), cancelling),
        ),
    )
    last = [*good[:2], good[2] * (1 + n) % square]
    yield "batch-last-wrong", batch_case("Only the last is wrong.", "reject", last, WORLD.prove(share, range(3), last))
    proof = WORLD.prove(share, range(3), good)
    yield (
        "batch-one-less",
        proof_case(
            "One ciphertext is left out.",
            "reject",
            ciphertexts=[c.value for c in WORLD.ciphertexts[:2]],
            partials=good[:2],
            proof=proof,
        ),
    )
    yield (
        "batch-one-partial-less",
        proof_case(
            "Fewer partials than ciphertexts.",
            "reject",
            ciphertexts=[c.value for c in WORLD.ciphertexts],
            partials=good[:2],
            proof=proof,
        ),
    )
    yield "batch-empty", proof_case("Nothing to prove.", "reject", ciphertexts=[], partials=[])


def dealings() -> Scenarios:
    """Sections 1.6, 5.3 and 6."""
    n, values, square = WORLD.n, WORLD.values, WORLD.n**2
    v = int(WORLD.dealing.threshold_key.v)
    secrets = [int(share.secret) for share in WORLD.dealing.shares]

    def check(comment: str, expect: str, verification: list[int]) -> Case:
        return case("verification values", comment, expect, n=n, verification=verification)

    def on_line(secret: int, slope: int) -> list[int]:
        return [pow(v, DELTA * (secret + slope * index), square) for index in (1, 2, 3)]

    d = 2 * secrets[0] - secrets[1]
    yield "values", check("As dealt.", "accept", values)
    yield "values-swapped", check("Shares 1 and 2 exchanged.", "reject", [values[1], values[0], values[2]])
    yield (
        "values-off-line",
        check("Share 3 is off by one.", "reject", [*values[:2], values[2] * pow(v, DELTA, square) % square]),
    )
    yield "values-zero-key", check("A line through d = 0: all plaintexts would open as 0.", "reject", on_line(0, 12345))
    yield (
        "values-double-key",
        check("A line through 2 d: all plaintexts would open doubled.", "reject", on_line(2 * d, 12345)),
    )
    yield "values-level", check("A level line: every authority holds d.", "reject", on_line(d, 0))
    yield "values-two", check("One value too few.", "reject", values[:2])
    yield "values-four", check("One value too many.", "reject", [*values, values[2]])
    yield "values-multiple-of-p", check("Not a unit.", "reject", [values[0], toy_primes(LARGE)[0], values[2]])
    yield "values-not-reduced", check("v_1 + n^2.", "reject", [values[0] + square, *values[1:]])
    yield (
        "share-plus-one",
        case("share", "s_2 + 1 does not.", "reject", n=n, verification=values, index=2, secret=secrets[1] + 1),
    )
    yield (
        "share-other-index",
        case("share", "Share 3 does not fit v_2.", "reject", n=n, verification=values, index=2, secret=secrets[2]),
    )
    above = secrets[1] + n * order(LARGE) * (n // order(LARGE))
    yield (
        "share-above-range",
        case(
            "share",
            "s_2 plus a multiple of n m fits v_2 but is out of range.",
            "reject",
            n=n,
            verification=values,
            index=2,
            secret=above,
        ),
    )
    yield from share_files()


def share_files() -> Scenarios:
    key, share = WORLD.dealing.threshold_key.key, WORLD.dealing.shares[1]
    data = share.to_file_bytes(key)
    index_at = len(b"privcredit key share v1\n") + 32

    def read(comment: str, expect: str, changed: bytes, output: Any = None) -> Case:
        return case("share file", comment, expect, output, n=WORLD.n, data=changed)

    yield "file", read("Authority 2's share.", "accept", data, [share.index, share.secret])
    yield "file-other-kind", read("Another first byte.", "reject", b"P" + data[1:])
    yield "file-empty", read("No bytes.", "reject", b"")
    yield "file-one-byte-less", read("One byte too few.", "reject", data[:-1])
    yield "file-one-byte-more", read("One byte too many.", "reject", data + b"\0")
    yield "file-other-key", read("Another fingerprint.", "reject", data[:30] + bytes([data[30] ^ 1]) + data[31:])
    yield "file-index-0", read("Index 0.", "reject", data[:index_at] + b"\0" + data[index_at + 1 :])
    yield (
        "file-out-of-range",
        read("s_i above n^2 / 4.", "reject", data[: index_at + 1] + b"\xff" * (len(data) - index_at - 1)),
    )
    yield "file-zero", read("s_i = 0.", "reject", data[: index_at + 1] + bytes(len(data) - index_at - 1))


def moduli() -> Scenarios:
    """Section 5.2, on 64 bits."""
    p, q = toy_primes(SMALL)
    n, proof = p * q, toy_dealing(SMALL).modulus_proof.to_bytes(p * q)
    size = (len(proof) // 128 - 1) // 2

    def check(comment: str, expect: str, modulus: int = n, data: bytes = proof, context: bytes = CONTEXT) -> Case:
        return case("modulus", comment, expect, n=modulus, proof=data, context=context)

    def flipped(position: int) -> bytes:
        return proof[:position] + bytes([proof[position] ^ 1]) + proof[position + 1 :]

    yield "modulus", check("As dealt.", "accept")
    yield "modulus-other-context", check("Proved for another purpose.", "reject", context=b"other")
    yield "modulus-first-x", check("x of the first round.", "reject", data=flipped(size))
    yield "modulus-last-z", check("z of the last round.", "reject", data=flipped(len(proof) - 1))
    yield "modulus-sign-flag", check("a of the first round.", "reject", data=flipped(0))
    yield "modulus-unknown-flag", check("Flags above 3.", "reject", data=bytes([proof[0] | 4]) + proof[1:])
    yield "modulus-127-rounds", check("One round too few.", "reject", data=proof[: -(1 + 2 * size)])
    yield "modulus-129-rounds", check("One round too many.", "reject", data=proof + proof[-(1 + 2 * size) :])
    yield "modulus-no-rounds", check("None.", "reject", data=b"")
    yield "modulus-all-zero", check("x = z = 0.", "reject", data=bytes(len(proof)))
    yield "modulus-prime", check("A prime of 64 bits.", "reject", modulus=2**64 - 59)
    yield "modulus-square", check("A square.", "reject", modulus=p**2)
    yield "modulus-even", check("An even number.", "reject", modulus=n - 1)
    yield (
        "modulus-small-factor",
        check("65521 is the largest prime below 2^16.", "reject", modulus=65521 * (2**48 - 59)),
    )
    other = safe_prime(SMALL // 2, SeededRandomness("other modulus"))
    yield "modulus-other", check("Another key's proof.", "reject", modulus=p * other)
    yield "modulus-twice-plus-one", check("q = 2 p + 1: n-th roots do not exist.", "reject", *twice_plus_one())


def twice_plus_one() -> tuple[int, bytes]:
    """A modulus p (2 p + 1), with all fourth roots right and every z right modulo p: its owner's best."""
    p = mpz(safe_prime(SMALL // 2, SeededRandomness("twice plus one")))
    while not (is_safe_prime(int(p)) and is_safe_prime(int(2 * p + 1))):
        p = gmpy2.next_prime(p)
    roots = _Roots(p, 2 * p + 1)
    w = derived_base(roots.n, CONTEXT)
    rounds = []
    for y in derived_rounds(roots.n, w, CONTEXT):
        twist = int(gmpy2.jacobi(y, roots.n) == -1)
        twisted = y * w % roots.n if twist else y
        negate = int(gmpy2.jacobi(twisted, p) == -1)
        z = gmpy2.powmod(y, gmpy2.invert(roots.n, p - 1), p)
        rounds.append(Round(negate, twist, roots._fourth_root(-twisted % roots.n if negate else twisted), z))
    return int(roots.n), ModulusProof(tuple(rounds)).to_bytes(roots.n)


def borders() -> Scenarios:
    """What must be accepted at the borders and for every authority."""
    key, shares, square = WORLD.dealing.threshold_key, WORLD.dealing.shares, WORLD.n**2
    secrets = [share.secret for share in shares]
    for index, share in enumerate(shares, start=1):
        for number in (0, 1):
            part = WORLD.partial(index, number)
            given = {"ciphertexts": [WORLD.ciphertexts[number].value], "partials": [part], "index": index}
            proof = WORLD.prove(share, [number], [part])
            yield f"share-proof-{index}-of-{number}", proof_case("An honest proof.", "accept", **given, proof=proof)
        given = {"n": WORLD.n, "verification": WORLD.values, "index": index, "secret": secrets[index - 1]}
        yield f"share-{index}", case("share", f"Share {index} fits its value.", "accept", **given)
        data = share.to_file_bytes(key.key)
        output = [index, share.secret]
        yield f"file-{index}", case("share file", "As written.", "accept", output, n=WORLD.n, data=data)
    for name, context in (("zero-byte", b"\0"), ("long", b"session" * 40)):
        yield (
            f"share-proof-{name}-context",
            proof_case("Any context.", "accept", context=context, proof=WORLD.proof(context)),
        )
    for message in (0, 1, WORLD.n - 1):
        trivial = 1 + message * WORLD.n
        parts = [(index, pow(trivial, 2 * DELTA * int(secrets[index - 1]), square)) for index in (1, 3)]
        name = {0: "zero", 1: "one"}.get(message, "largest")
        yield f"combine-{name}", combine_case(f"The {name} plaintext.", "accept", parts, message)
    good = [WORLD.partial(1, number) for number in (0, 1)]
    pair = [c.value for c in WORLD.ciphertexts[:2]]
    proof = WORLD.prove(shares[0], range(2), good)
    yield "batch-of-2", proof_case("The smallest batch.", "accept", ciphertexts=pair, partials=good, proof=proof)
    same = [WORLD.ciphertexts[2].value] * 2
    parts = [WORLD.partial(1)] * 2
    proof = WORLD.prove(shares[0], [2, 2], parts)
    yield (
        "batch-of-equals",
        proof_case("One ciphertext twice.", "accept", ciphertexts=same, partials=parts, proof=proof),
    )
    for bits in (16, 32, 48):
        p, q = toy_primes(bits)
        proof = toy_dealing(bits).modulus_proof.to_bytes(p * q)
        yield f"modulus-{bits}", case("modulus", f"{bits} bits.", "accept", n=p * q, proof=proof, context=CONTEXT)
        values = toy_dealing(bits).threshold_key.verification
        yield f"values-{bits}", case("verification values", f"{bits} bits.", "accept", n=p * q, verification=values)


def scenarios() -> Scenarios:
    for group in (borders, opening, single_proofs, batches, dealings, moduli):
        yield from group()


def rendered() -> dict[str, str]:
    return {f"{name}.json": json.dumps(made, indent=1) + "\n" for name, made in scenarios()}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
    print(f"{len(rendered())} vectors in {FOLDER.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
