"""A whole federation of real node processes to ask, and the processor time that each of them spends."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from privcredit.crypto.ceremony import Dealing
from privcredit.crypto.randomness import SystemRandomness
from privcredit.federation.local import make_local
from privcredit.federation.node import clock
from privcredit.federation.processes import Nodes
from privcredit.http.verifier_client import VerifierClient
from privcredit.protocols.consent.messages import Presentation
from privcredit.research import german_credit
from privcredit.research.demo.run import verifier_client
from privcredit.research.demo.setting import POLICY, VERIFIER, Person, Town, german_credit_plan
from privcredit.roles.verifier import Answer

USER_TIME_FIELD, SYSTEM_TIME_FIELD = 11, 12
"""Positions of utime and stime in /proc/<pid>/stat after the command's closing parenthesis (proc(5))."""


@dataclass
class Running:
    """Nine nodes that serve, people enrolled with them, and a service provider's client."""

    nodes: Nodes
    people: list[Person]
    client: VerifierClient
    ready_seconds: float
    _asked: int = field(default=0)

    def consent(self) -> tuple[object, Presentation]:
        """Return the request and the presentation of the next person, who was not asked about before."""
        person = self.people[self._asked]
        self._asked += 1
        request = self.client.request(POLICY)
        return request, person.wallet.consent(VERIFIER, request.request)

    def ask(self, request: object, presentation: Presentation) -> Answer:
        """Put one question; returns when its answer is there."""
        answer = self.client.ask(request, presentation)
        assert answer.eligible is not None, answer.sentence
        return answer

    def cpu_seconds(self) -> Mapping[str, float]:
        """Return the processor time that each node has spent since it started."""
        return {name: process_seconds(node.pid) for name, node in self.nodes.by_name.items()}


def process_seconds(pid: int) -> float:
    """Return user and system time of a process and all its threads (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[USER_TIME_FIELD]) + int(fields[SYSTEM_TIME_FIELD])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(directory: Path, bits: int, people: int, make_dealing: Callable[[], Dealing]) -> Iterator[Running]:
    """Start a federation with a given key and enrol `people`; its nodes live as long as the `with` block."""
    randomness = SystemRandomness()
    german = german_credit_plan(randomness)
    federation = make_local(
        directory, german.plan, bits, randomness, clock(), make_dealing=lambda *_arguments, **_options: make_dealing()
    )
    started = time.perf_counter()
    with Nodes(node.directory for node in federation.nodes.values()) as nodes, verifier_client(federation) as client:
        nodes.wait_until_ready()
        ready_seconds = time.perf_counter() - started
        town = Town(federation, german.keys, randomness)
        enrolled = town.enrol_all(german_credit.applicants()[:people], lambda _done: None)
        yield Running(nodes, enrolled, client, ready_seconds)
        town.close()
