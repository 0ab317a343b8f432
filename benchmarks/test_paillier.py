"""Paillier beside phe, in one run: encryption, decryption, checked sums, proofs of knowledge, safe primes."""

from functools import cache

import gmpy2
import phe
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from privcredit.crypto.knowledge import prove_knowledge, verify_knowledge
from privcredit.crypto.paillier import Encryptor, PrivateKey, aggregate
from privcredit.crypto.primes import safe_prime
from privcredit.crypto.randomness import SystemRandomness

SIZES = [2048, 3072]
RANDOMNESS = SystemRandomness()
WIDTH = 17
CONTEXT = b"benchmark"


@cache
def private_key(bits: int) -> PrivateKey:
    return PrivateKey.generate(bits, RANDOMNESS)


@cache
def encryptor(bits: int, window: int = 8) -> Encryptor:
    return Encryptor(private_key(bits).key, RANDOMNESS, window=window)


@pytest.fixture
def bench(benchmark: BenchmarkFixture) -> BenchmarkFixture:
    benchmark.extra_info |= {"gmp": gmpy2.mp_version(), "gmpy2": gmpy2.version(), "phe": phe.__version__}
    return benchmark


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.benchmark(group="paillier encrypt")
def test_encrypt_phe(bench: BenchmarkFixture, bits: int) -> None:
    public = phe.PaillierPublicKey(int(private_key(bits).key.n))
    bench.extra_info["bits"] = bits
    bench(public.encrypt, 700)


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.parametrize("window", [5, 6, 7, 8, 9])
@pytest.mark.benchmark(group="paillier encrypt")
def test_encrypt_table(bench: BenchmarkFixture, bits: int, window: int) -> None:
    sender = encryptor(bits, window)
    bench.extra_info |= {"bits": bits, "window": window, "table_bytes": sender.table_bytes}
    bench(sender.encrypt, 700)


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.benchmark(group="paillier encrypt")
def test_encrypt_pool(bench: BenchmarkFixture, bits: int) -> None:
    sender = encryptor(bits)
    bench.extra_info["bits"] = bits
    bench.pedantic(sender.encrypt, (700,), setup=lambda: sender.refill(1), rounds=200)


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.benchmark(group="paillier table")
def test_build_table(bench: BenchmarkFixture, bits: int) -> None:
    bench.pedantic(Encryptor, (private_key(bits).key, RANDOMNESS), rounds=3)


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.benchmark(group="paillier sum of four received")
def test_receive_sum(bench: BenchmarkFixture, bits: int) -> None:
    key, data = private_key(bits).key, [encryptor(bits).encrypt(points).to_bytes() for points in range(4)]
    bench.extra_info["bits"] = bits
    bench(key.receive_sum, data)


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.benchmark(group="paillier sum of four received")
def test_check_then_aggregate(bench: BenchmarkFixture, bits: int) -> None:
    key, data = private_key(bits).key, [encryptor(bits).encrypt(points).to_bytes() for points in range(4)]
    bench.extra_info["bits"] = bits
    bench(lambda: aggregate(key.ciphertexts(data)))


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.benchmark(group="paillier decrypt")
def test_decrypt(bench: BenchmarkFixture, bits: int) -> None:
    bench.extra_info["bits"] = bits
    bench(private_key(bits).decrypt, encryptor(bits).encrypt(700))


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.benchmark(group="paillier decrypt")
def test_decrypt_phe(bench: BenchmarkFixture, bits: int) -> None:
    public = phe.PaillierPublicKey(int(private_key(bits).key.n))
    theirs = phe.PaillierPrivateKey(public, *private_key(bits).primes)
    bench.extra_info["bits"] = bits
    bench(theirs.decrypt, public.encrypt(700))


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.benchmark(group="plaintext knowledge")
def test_prove_knowledge(bench: BenchmarkFixture, bits: int) -> None:
    sender = encryptor(bits)
    fresh, opening = sender.encrypt_with_opening(700)
    bench.extra_info["bits"] = bits
    bench(prove_knowledge, sender, fresh, opening, CONTEXT, RANDOMNESS, WIDTH)


@pytest.mark.parametrize("bits", SIZES)
@pytest.mark.benchmark(group="plaintext knowledge")
def test_verify_knowledge(bench: BenchmarkFixture, bits: int) -> None:
    sender = encryptor(bits)
    fresh, opening = sender.encrypt_with_opening(700)
    proof = prove_knowledge(sender, fresh, opening, CONTEXT, RANDOMNESS, WIDTH)
    bench.extra_info |= {"bits": bits, "proof_bytes": len(proof.to_bytes())}
    bench(verify_knowledge, sender, fresh, proof, CONTEXT, WIDTH, "bank")


@pytest.mark.parametrize("bits", [1024, 1536])
@pytest.mark.benchmark(group="safe prime")
def test_safe_prime(bench: BenchmarkFixture, bits: int) -> None:
    """Spreads widely: the search is a geometric draw."""
    bench.pedantic(safe_prime, (bits, RANDOMNESS), rounds=5)
