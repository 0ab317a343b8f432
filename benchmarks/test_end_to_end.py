"""One question between nine real nodes over TLS: from handing in the consent to the answer, share proofs verified.

People are enrolled and material is made ahead; each round asks about a person who was not asked about before. The
extra information has the processor time of all nodes for one question: the floor on a machine that does nothing else.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import gmpy2
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from running import Running, running
from support.keys import dealing_2048, dealing_3072

DEALINGS = {2048: dealing_2048, 3072: dealing_3072}
TARGETS_MS = {2048: 180, 3072: 480}
WARM_UP = 5
ROUNDS = 40
IDLE_SECONDS = 10.0
"""For the nodes to fill their stocks, as they do whenever nobody asks."""


@pytest.fixture(scope="module", params=[2048, 3072])
def federation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, Running]]:
    bits = request.param
    directory: Path = tmp_path_factory.mktemp(f"nodes-{bits}") / "federation"
    with running(directory, bits, WARM_UP + ROUNDS, DEALINGS[bits]) as nodes:
        time.sleep(IDLE_SECONDS)
        yield bits, nodes


@pytest.mark.timeout(600)
@pytest.mark.benchmark(group="one question end to end")
def test_question(benchmark: BenchmarkFixture, federation: tuple[int, Running]) -> None:
    bits, nodes = federation
    for _ in range(WARM_UP):
        nodes.ask(*nodes.consent())
    before = sum(nodes.cpu_seconds().values())
    benchmark.pedantic(nodes.ask, setup=lambda: (nodes.consent(), {}), rounds=ROUNDS)
    spent = (sum(nodes.cpu_seconds().values()) - before) / ROUNDS
    times = np.array(benchmark.stats.stats.data) * 1000
    benchmark.extra_info |= {
        "bits": bits,
        "gmp": gmpy2.mp_version(),
        "p50_ms": round(float(np.percentile(times, 50)), 1),
        "p95_ms": round(float(np.percentile(times, 95)), 1),
        "target_p50_ms": TARGETS_MS[bits],
        "cpu_ms_of_all_nodes": round(spent * 1000),
        "start_s": round(nodes.ready_seconds, 1),
    }
