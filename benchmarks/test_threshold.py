"""Threshold opening: one question's critical path, its prepared parts, batches, and the ceremony.

The critical path of one question is `open` at evaluator 1, then `verify prepared` and `combine` at evaluator 2.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from privcredit.crypto.ceremony import CONTEXT, deal_from_primes
from privcredit.crypto.modulus_proof import verify_modulus
from privcredit.crypto.paillier import Ciphertext, Encryptor
from privcredit.crypto.randomness import SystemRandomness
from privcredit.crypto.share_proof import (
    PreparedCiphertext,
    ShareProof,
    ShareProver,
    ShareVerifier,
    prepare_verification,
    verify_share,
)
from privcredit.crypto.threshold import DELTA, PartialDecryption, ThresholdKey, combine, partial_decrypt
from support.keys import dealing_2048, dealing_3072, fixed_primes
from support.seeded import SeededRandomness

CULPRIT = "authority 1"
BATCH = 100
ROUNDS = 10
SIZES = pytest.mark.parametrize("bits", [2048, 3072])


@dataclass(frozen=True)
class Opening:
    key: ThresholdKey
    prover: ShareProver
    verifier: ShareVerifier
    ciphertext: Ciphertext
    partial: PartialDecryption
    proof: ShareProof
    prepared: PreparedCiphertext


@cache
def opening(bits: int) -> Opening:
    dealing = dealing_2048() if bits == 2048 else dealing_3072()
    key = dealing.threshold_key
    prover = ShareProver(key, dealing.shares[0], SystemRandomness())
    ciphertext = Encryptor(key.key, SeededRandomness("benchmark"), table=False).encrypt(123)
    partial, proof = prover.open(ciphertext, CONTEXT)
    return Opening(key, prover, ShareVerifier(key), ciphertext, partial, proof, prepare_verification(ciphertext))


def measure(
    benchmark: BenchmarkFixture,
    name: str,
    bits: int,
    work: Callable[[], object],
    setup: Callable[[], None] | None = None,
) -> None:
    benchmark.group = f"threshold opening, {bits} bits"
    benchmark.name = f"{name}[{bits}]"
    benchmark.pedantic(work, setup=setup, rounds=ROUNDS, warmup_rounds=1)


@SIZES
def test_partial_decrypt(benchmark: BenchmarkFixture, bits: int) -> None:
    it = opening(bits)
    measure(benchmark, "partial_decrypt", bits, lambda: it.prover.partial_decrypt(it.ciphertext))


@SIZES
def test_open_with_stock(benchmark: BenchmarkFixture, bits: int) -> None:
    it = opening(bits)
    work = lambda: it.prover.open(it.ciphertext, CONTEXT)  # noqa: E731
    measure(benchmark, "open, stock", bits, work, lambda: it.prover.refill(1))


@SIZES
def test_open_with_stock_on_two_threads(benchmark: BenchmarkFixture, bits: int) -> None:
    it = opening(bits)
    with ThreadPoolExecutor(1) as pool:
        work = lambda: it.prover.open(it.ciphertext, CONTEXT, pool)  # noqa: E731
        measure(benchmark, "open, stock, two threads", bits, work, lambda: it.prover.refill(1))


@SIZES
def test_open_without_stock(benchmark: BenchmarkFixture, bits: int) -> None:
    it = opening(bits)
    measure(benchmark, "open, no stock", bits, lambda: it.prover.open(it.ciphertext, CONTEXT))


@SIZES
def test_verify_unprepared(benchmark: BenchmarkFixture, bits: int) -> None:
    it = opening(bits)
    work = lambda: verify_share(it.key, it.ciphertext, it.partial, it.proof, CONTEXT, CULPRIT)  # noqa: E731
    measure(benchmark, "verify, unprepared", bits, work)


@SIZES
def test_verify_with_powers_of_v(benchmark: BenchmarkFixture, bits: int) -> None:
    it = opening(bits)
    work = lambda: it.verifier.verify(it.ciphertext, it.partial, it.proof, CONTEXT, CULPRIT)  # noqa: E731
    measure(benchmark, "verify, powers of v", bits, work)


@SIZES
def test_prepare_verification(benchmark: BenchmarkFixture, bits: int) -> None:
    it = opening(bits)
    measure(benchmark, "prepare verification", bits, lambda: prepare_verification(it.ciphertext))


@SIZES
def test_verify_prepared(benchmark: BenchmarkFixture, bits: int) -> None:
    it = opening(bits)
    work = lambda: it.verifier.verify(it.ciphertext, it.partial, it.proof, CONTEXT, CULPRIT, it.prepared)  # noqa: E731
    measure(benchmark, "verify, prepared", bits, work)


@SIZES
def test_combine(benchmark: BenchmarkFixture, bits: int) -> None:
    it = opening(bits)
    dealing = dealing_2048() if bits == 2048 else dealing_3072()
    partials = {1: it.partial, 3: partial_decrypt(dealing.shares[2], it.ciphertext)}
    measure(benchmark, "combine", bits, lambda: combine(it.key, partials))


@SIZES
def test_batch_proof_and_verification(benchmark: BenchmarkFixture, bits: int) -> None:
    """Of 100 ciphertexts, without their partial decryptions: to compare with 100 single proofs."""
    it = opening(bits)
    key, exponent = it.key.key, 2 * DELTA * it.prover._share.secret
    many = [it.ciphertext + number for number in range(BATCH)]
    shifts = [1 + number * exponent * key.n for number in range(BATCH)]
    parts = [PartialDecryption(1, int(it.partial.value * shift % key.n_squared)) for shift in shifts]

    def work() -> None:
        proof = it.prover.prove(many, parts, CONTEXT)
        it.verifier.verify(many, parts, proof, CONTEXT, CULPRIT)

    measure(benchmark, f"prove and verify {BATCH}", bits, work, lambda: it.prover.refill(1))


@SIZES
def test_deal_from_primes(benchmark: BenchmarkFixture, bits: int) -> None:
    p, q = fixed_primes(bits)
    benchmark.group = f"ceremony, {bits} bits"
    benchmark.pedantic(lambda: deal_from_primes(p, q, SystemRandomness()), rounds=2)


@SIZES
def test_verify_modulus(benchmark: BenchmarkFixture, bits: int) -> None:
    dealing = dealing_2048() if bits == 2048 else dealing_3072()
    n = int(dealing.threshold_key.key.n)
    benchmark.group = f"ceremony, {bits} bits"
    benchmark.pedantic(lambda: verify_modulus(n, dealing.modulus_proof, CONTEXT, "dealer"), rounds=2)
