"""protocols/threshold-paillier/vectors, judged by our code and by a second implementation written from the spec."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

from privcredit.crypto.modulus_proof import ModulusProof, verify_modulus
from privcredit.crypto.paillier import Ciphertext, PublicKey
from privcredit.crypto.share_proof import ShareProof, check_share, verify_share
from privcredit.crypto.threshold import (
    KeyShare,
    PartialDecryption,
    ThresholdKey,
    check_partial,
    check_verification_values,
    combine,
    partial_decrypt,
)
from privcredit.errors import InvalidProofError, UsageError
from support import naive_threshold as naive
from support.keys import TOY_MINIMUM_BITS
from vectors import make_threshold

FILES = sorted(make_threshold.FOLDER.glob("*.json"))
Given = dict[str, Any]


def numbers(values: list[str]) -> list[int]:
    return [int(value, 16) for value in values]


def public_key(given: Given) -> PublicKey:
    return PublicKey.from_modulus(int(given["n"], 16), minimum_bits=TOY_MINIMUM_BITS)


def threshold_key(given: Given) -> ThresholdKey:
    return ThresholdKey(public_key(given), tuple(map(mpz, numbers(given["verification"]))))


def ours_base(given: Given) -> Any:
    key = threshold_key(given)
    return [f"{key.v:x}", key.fingerprint.hex()]


def ours_partial(given: Given) -> Any:
    key = public_key(given)
    share = KeyShare(int(given["index"], 16), key.fingerprint, int(given["secret"], 16))
    return f"{partial_decrypt(share, Ciphertext(key, mpz(given['ciphertext'], 16))).value:x}"


def ours_combine(given: Given) -> Any:
    parts = [(int(index, 16), int(value, 16)) for index, value in given["partials"]]
    # A mapping cannot hold one authority twice; the receiver finds one partial where two are needed.
    partials = {index: PartialDecryption(index, value) for index, value in parts}
    square = public_key(given).n_squared
    opened = combine(_any_values(given), partials)
    assert all(0 < value < square for _, value in parts)
    return f"{opened:x}"


def _any_values(given: Given) -> ThresholdKey:
    """The key of the vectors: combination needs n only."""
    key = make_threshold.WORLD.dealing.threshold_key
    assert key.key.n == int(given["n"], 16)
    return key


def ours_share_proof(given: Given) -> Any:
    key = threshold_key(given)
    index = int(given["index"], 16)
    proof = ShareProof.from_bytes(bytes.fromhex(given["proof"]), key.key, "peer")
    ciphertexts = [Ciphertext(key.key, mpz(value)) for value in numbers(given["ciphertexts"])]
    partials = [PartialDecryption(index, value) for value in numbers(given["partials"])]
    for partial in partials:
        check_partial(partial, key.key, "peer")
    verify_share(key, ciphertexts, partials, proof, bytes.fromhex(given["context"]), "peer")


def ours_values(given: Given) -> Any:
    check_verification_values(public_key(given), list(map(mpz, numbers(given["verification"]))))


def ours_share(given: Given) -> Any:
    key = threshold_key(given)
    check_share(key, KeyShare(int(given["index"], 16), key.key.fingerprint, int(given["secret"], 16)))


def ours_file(given: Given) -> Any:
    share = KeyShare.from_file_bytes(bytes.fromhex(given["data"]), public_key(given))
    return [f"{share.index:x}", f"{share.secret:x}"]


def ours_modulus(given: Given) -> Any:
    n = int(given["n"], 16)
    proof = ModulusProof.from_bytes(bytes.fromhex(given["proof"]), n, "dealer")
    verify_modulus(n, proof, bytes.fromhex(given["context"]), "dealer", minimum_bits=TOY_MINIMUM_BITS)


OURS: dict[str, Callable[[Given], Any]] = {
    "base": ours_base,
    "partial": ours_partial,
    "combine": ours_combine,
    "share proof": ours_share_proof,
    "verification values": ours_values,
    "share": ours_share,
    "share file": ours_file,
    "modulus": ours_modulus,
}


def naive_combine(given: Given) -> Any:
    opened = naive.combine(int(given["n"], 16), [(int(i, 16), int(value, 16)) for i, value in given["partials"]])
    return opened is not None and f"{opened:x}"


def naive_share_proof(given: Given) -> bool:
    n, values = int(given["n"], 16), numbers(given["verification"])
    parts = numbers(given["ciphertexts"]), numbers(given["partials"])
    proof, context = bytes.fromhex(given["proof"]), bytes.fromhex(given["context"])
    right = naive.proof_right(n, values, int(given["index"], 16), *parts, proof, context)
    return naive.values_right(n, values) and right


def naive_file(given: Given) -> Any:
    read = naive.share_file(bytes.fromhex(given["data"]), int(given["n"], 16))
    return read is not None and [f"{part:x}" for part in read]


NAIVE: dict[str, Callable[[Given], Any]] = {
    "base": lambda g: [
        f"{naive.base(int(g['n'], 16)):x}",
        naive.fingerprint(int(g["n"], 16), numbers(g["verification"])).hex(),
    ],
    "partial": lambda g: f"{naive.partial(*(int(g[name], 16) for name in ('n', 'ciphertext', 'secret'))):x}",
    "combine": naive_combine,
    "share proof": naive_share_proof,
    "verification values": lambda g: naive.values_right(int(g["n"], 16), numbers(g["verification"])),
    "share": lambda g: naive.share_right(
        int(g["n"], 16), numbers(g["verification"]), int(g["index"], 16), int(g["secret"], 16)
    ),
    "share file": naive_file,
    "modulus": lambda g: naive.modulus_right(int(g["n"], 16), bytes.fromhex(g["proof"]), bytes.fromhex(g["context"])),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    vector = json.loads(path.read_text())
    given, output = vector["input"], vector.get("output")
    if vector["expect"] == "accept":
        assert OURS[vector["step"]](given) == output
        assert NAIVE[vector["step"]](given) == (True if output is None else output)
        return
    with pytest.raises((InvalidProofError, UsageError)):
        OURS[vector["step"]](given)
    assert NAIVE[vector["step"]](given) is False


def test_vectors_are_the_generators() -> None:
    assert {path.name: path.read_text() for path in FILES} == make_threshold.rendered()


def test_vectors_accept_and_reject() -> None:
    expected = [json.loads(path.read_text())["expect"] for path in FILES]
    assert expected.count("accept") >= 40
    assert expected.count("reject") >= 40


def test_naive_jacobi_and_primality() -> None:
    for n in range(3, 200, 2):
        assert [naive.jacobi(a, n) for a in range(n)] == [gmpy2.jacobi(a, n) for a in range(n)]
    assert [n for n in range(3, 2000, 2) if naive.is_prime(n)] == [n for n in range(3, 2000, 2) if gmpy2.is_prime(n)]
