"""`federation init`: key ceremony, certificates, databases, registry, for nine parties at 3072 bits."""

import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from privcredit.crypto.randomness import SystemRandomness
from privcredit.federation.local import make_local
from privcredit.research.demo.setting import german_credit_plan

TARGET_SECONDS = 90


@pytest.mark.benchmark(group="federation init, 3072 bits")
def test_federation_init(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Three rounds: the search for primes varies."""
    directories = iter(tmp_path / str(number) for number in range(3))

    def init() -> None:
        randomness = SystemRandomness()
        make_local(next(directories), german_credit_plan(randomness).plan, 3072, randomness, int(time.time()))

    benchmark.extra_info |= {"bits": 3072, "target_s": TARGET_SECONDS}
    benchmark.pedantic(init, rounds=3)
