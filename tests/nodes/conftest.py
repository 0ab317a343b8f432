"""Nine real node processes over TLS on loopback, 2048 bits, the fixed test key; started once for all tests here."""

from collections.abc import Iterator

import pytest

from privcredit.crypto.randomness import SystemRandomness
from privcredit.federation.local import make_local
from privcredit.federation.node import clock
from privcredit.federation.processes import Nodes
from privcredit.research.demo.run import verifier_client
from privcredit.research.demo.setting import Town, german_credit_plan
from support.keys import dealing_2048
from support.site import Site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    randomness = SystemRandomness()
    german = german_credit_plan(randomness)
    federation = make_local(
        directory / "federation",
        german.plan,
        2048,
        randomness,
        clock(),
        make_dealing=lambda *_arguments, **_options: dealing_2048(),
    )
    recordings = directory / "recordings"
    recordings.mkdir()
    with Nodes((node.directory for node in federation.nodes.values()), recordings) as nodes:
        nodes.wait_until_ready()
        town = Town(federation, german.keys, randomness)
        with verifier_client(federation) as client:
            yield Site(federation, nodes, town, client, recordings)
        town.close()
