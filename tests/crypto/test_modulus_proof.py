"""The proof of the modulus: complete for Blum moduli, and exhaustively at most half right for anything else."""

from itertools import combinations
from math import gcd
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

from privcredit.crypto import modulus_proof
from privcredit.crypto.modulus_proof import (
    ROUNDS,
    ModulusProof,
    Round,
    check_modulus,
    derived_base,
    derived_rounds,
    prove_modulus,
    verify_modulus,
)
from privcredit.errors import InvalidProofError, UsageError
from support import naive_threshold as naive
from support.keys import TOY_MINIMUM_BITS, dealing_2048, toy_primes

CONTEXT = b"test ceremony"
P, Q = toy_primes(48)
N = P * Q
PROOF = prove_modulus(P, Q, CONTEXT)


def verify(n: int, proof: ModulusProof, context: bytes = CONTEXT) -> None:
    verify_modulus(n, proof, context, "dealer", minimum_bits=TOY_MINIMUM_BITS)


def refused(n: int, proof: ModulusProof, context: bytes = CONTEXT, match: str | None = None) -> None:
    with pytest.raises(InvalidProofError, match=match) as caught:
        verify(n, proof, context)
    assert caught.value.culprit == "dealer"


# --- completeness ---


def test_every_small_blum_modulus_is_proved() -> None:
    primes = [prime for prime in range(23, 120) if gmpy2.is_prime(prime) and prime % 4 == 3]
    for p, q in combinations(primes, 2):
        if gcd(p * q, (p - 1) * (q - 1)) == 1:
            proof = prove_modulus(p, q, CONTEXT)
            verify(p * q, proof)
            assert naive.modulus_right(p * q, proof.to_bytes(p * q), CONTEXT)


def test_every_residue_has_its_answer() -> None:
    p, q = mpz(23), mpz(59)
    n, roots = p * q, modulus_proof._Roots(p, q)
    w = derived_base(n, CONTEXT)
    for y in range(1, n):
        if gcd(y, n) == 1:
            answer = roots.answer(mpz(y), w)
            assert pow(answer.x, 4, n) == (-1) ** answer.negate * w**answer.twist * y % n
            assert pow(answer.z, n, n) == y


def test_deterministic() -> None:
    assert prove_modulus(P, Q, CONTEXT) == PROOF
    assert prove_modulus(P, Q, b"other") != PROOF


def test_real_length_2048() -> None:
    dealing = dealing_2048()
    verify_modulus(int(dealing.threshold_key.key.n), dealing.modulus_proof, b"privcredit dealer ceremony", "dealer")


def test_progress() -> None:
    heard: list[tuple[str, int, int]] = []
    prove_modulus(P, Q, CONTEXT, lambda *step: heard.append(step))
    report = heard.append
    verify_modulus(N, PROOF, CONTEXT, "d", minimum_bits=8, progress=lambda *step: report(step))
    assert heard[:ROUNDS] == [("prove modulus", done, ROUNDS) for done in range(1, ROUNDS + 1)]
    assert heard[ROUNDS:] == [("verify modulus", done, ROUNDS) for done in range(1, ROUNDS + 1)]


def test_derived_numbers() -> None:
    w = derived_base(mpz(N), CONTEXT)
    assert gmpy2.jacobi(w, N) == -1
    drawn = list(derived_rounds(mpz(N), w, CONTEXT))
    assert len(set(drawn)) == ROUNDS
    assert all(0 < y < N and gcd(y, N) == 1 for y in drawn)
    assert not set(drawn) & set(derived_rounds(mpz(N), w, b"other"))
    assert not set(drawn) & set(derived_rounds(mpz(N), w + 1, CONTEXT))


# --- soundness, exhaustively ---

OTHER_SHAPES = {
    "p = 1 mod 4": 13 * 23,
    "both 1 mod 4": 13 * 29,
    "three primes": 7 * 11 * 23,
    "p squared q": 7 * 7 * 11,
    "q = 2 p + 1": 23 * 47,
    "p divides q - 1": 7 * 43,
    "cube": 11**3,
}


@pytest.mark.parametrize("shape", OTHER_SHAPES)
def test_at_most_half_of_the_rounds_have_an_answer(shape: str) -> None:
    """For every w of Jacobi symbol -1: the chance to answer a random round is at most 1/2, so 2^-128 for all."""
    n = OTHER_SHAPES[shape]
    units = [y for y in range(1, n) if gcd(y, n) == 1]
    fourth = {pow(x, 4, n) for x in units}
    nth = {pow(z, n, n) for z in units}
    for w in [unit for unit in units if gmpy2.jacobi(unit, n) == -1][:40]:
        factors = [(-1) ** a * w**b for a in (0, 1) for b in (0, 1)]
        answerable = [y for y in units if y in nth and any(factor * y % n in fourth for factor in factors)]
        assert 2 * len(answerable) <= len(units)


def test_blum_modulus_answers_every_round() -> None:
    n = 23 * 59
    units = [y for y in range(1, n) if gcd(y, n) == 1]
    fourth = {pow(x, 4, n) for x in units}
    w = next(unit for unit in units if gmpy2.jacobi(unit, n) == -1)
    assert all(any((-1) ** a * w**b * y % n in fourth for a in (0, 1) for b in (0, 1)) for y in units)
    assert {pow(z, n, n) for z in units} == set(units)


# --- W2, W3: altered proofs ---


@pytest.mark.parametrize("position", [0, 1, 63, 127])
@pytest.mark.parametrize("field", ["negate", "twist", "x", "z"])
def test_w2_altered_round(position: int, field: str) -> None:
    rounds = list(PROOF.rounds)
    old = rounds[position]
    values = {"negate": old.negate, "twist": old.twist, "x": old.x, "z": old.z}
    values[field] = 1 - values[field] if field in {"negate", "twist"} else values[field] ^ 1
    rounds[position] = Round(**values)
    refused(N, ModulusProof(tuple(rounds)))


@pytest.mark.parametrize("change", [{"x": 0}, {"z": 0}, {"x": N}, {"z": N}, {"x": -1}, {"negate": 2}, {"twist": -1}])
def test_w2_round_out_of_range(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    old = PROOF.rounds[0]
    given = {"negate": old.negate, "twist": old.twist, "x": old.x, "z": old.z} | change
    monkeypatch.setattr(modulus_proof, "powmod_public", never)
    refused(N, ModulusProof((Round(**given), *PROOF.rounds[1:])), match="out of range")


def never(*_: object) -> None:
    raise AssertionError


def test_w2_number_of_rounds() -> None:
    for rounds in ((), PROOF.rounds[:-1], (*PROOF.rounds, PROOF.rounds[0]), PROOF.rounds[:1] * ROUNDS):
        refused(N, ModulusProof(rounds))


def test_w2_bytes() -> None:
    data = PROOF.to_bytes(N)
    assert ModulusProof.from_bytes(data, N, "dealer") == PROOF
    for changed in (b"", data[:-1], data + b"\0", bytes([data[0] | 4]) + data[1:], data[:-13]):
        with pytest.raises(InvalidProofError):
            ModulusProof.from_bytes(changed, N, "dealer")


def test_w4_other_context_or_modulus() -> None:
    refused(N, PROOF, b"another ceremony")
    p, q = toy_primes(46)
    refused(p * q, PROOF)


# --- moduli that the rounds alone would let through ---


def test_prime_modulus_passes_the_rounds_but_not_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    n = gmpy2.next_prime(2**47)
    while n % 4 != 3:
        n = gmpy2.next_prime(n)
    w = derived_base(n, CONTEXT)
    rounds = []
    for y in derived_rounds(n, w, CONTEXT):
        negate = int(gmpy2.jacobi(y, n) == -1)
        root = pow((-1) ** negate * y % n, ((n + 1) // 4) ** 2 % (n - 1), n)
        rounds.append(Round(negate, 0, root, y))
    proof = ModulusProof(tuple(rounds))
    refused(int(n), proof, match="prime")
    monkeypatch.setattr(modulus_proof, "check_modulus", lambda *_, **__: None)
    verify(int(n), proof)


def test_small_factor_passes_the_rounds_but_not_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    p, q = 23, Q
    proof = prove_modulus(p, q, CONTEXT)
    refused(p * q, proof, match="small prime factor")
    monkeypatch.setattr(modulus_proof, "check_modulus", lambda *_, **__: None)
    verify(p * q, proof)


@pytest.mark.parametrize(
    ("n", "problem"),
    [
        (N - 1, "small prime factor"),
        (P**2, "perfect power"),
        (toy_primes(16)[0] ** 3, "perfect power"),
        (2**61 - 1, "prime"),
        (65521 * (2**48 - 59), "small prime factor"),
        (0, "bits"),
        (1, "bits"),
        (-N, "bits"),
        (2**8193 + 1, "bits"),
    ],
    ids=lambda value: "" if isinstance(value, int) else value,
)
def test_w1_modulus(n: int, problem: str) -> None:
    with pytest.raises(InvalidProofError, match=problem):
        check_modulus(n, "dealer", minimum_bits=TOY_MINIMUM_BITS)


def test_production_length() -> None:
    with pytest.raises(InvalidProofError, match="2048"):
        check_modulus(N, "dealer")
    with pytest.raises(InvalidProofError, match="2048"):
        verify_modulus(N, PROOF, CONTEXT, "dealer")


@pytest.mark.parametrize(("p", "q"), [(23, 23), (13, 23), (23, 13), (13, 29)])
def test_prover_needs_blum_primes(p: int, q: int) -> None:
    with pytest.raises(UsageError, match="3 mod 4"):
        prove_modulus(p, q, CONTEXT)


def test_square_has_no_base() -> None:
    with pytest.raises(UsageError, match="square"):
        derived_base(mpz(P) ** 2, CONTEXT)
