"""The whole demonstration: make the federation, start its nodes, enrol people, ask, compare, report."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from privcredit.crypto.randomness import SystemRandomness
from privcredit.errors import UsageError
from privcredit.federation.local import LOCAL_FILE, LocalFederation, make_local
from privcredit.federation.node import clock
from privcredit.federation.processes import Nodes
from privcredit.http.verifier_client import VerifierClient
from privcredit.research import german_credit
from privcredit.research.demo.questions import Oracle, Question, ask_all, percentiles
from privcredit.research.demo.setting import VERIFIER, Person, Town, german_credit_plan
from privcredit.research.german_credit import Applicant

MAX_APPLICANTS = 1000
RECORDINGS = "recordings"
FEDERATION = "federation"


class Progress(Protocol):
    """Shows how far a step is: its name, how much is done, of how much."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show it."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """How much to demonstrate. directory: where everything is written; an earlier demonstration there is replaced."""

    applicants: int
    bits: int
    seed: int
    directory: Path

    def __post_init__(self) -> None:
        if not 1 <= self.applicants <= MAX_APPLICANTS:
            raise UsageError(f"--applicants is {self.applicants}; the data has 1 to {MAX_APPLICANTS} applicants.")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}; use a number of at least 0.")


@dataclass(slots=True)
class Demonstration:
    """A running demonstration and its results so far."""

    options: Options
    federation: LocalFederation
    nodes: Nodes
    people: Sequence[Person] = ()
    questions: Sequence[Question] = ()
    setup_s: float = 0.0
    asked_s: float = 0.0
    town: Town | None = field(default=None, repr=False)

    @property
    def agree(self) -> int:
        """How many answers are the oracle's."""
        return sum(question.agrees for question in self.questions)

    @property
    def succeeded(self) -> bool:
        """Whether there was a question and every answer is the oracle's."""
        return bool(self.questions) and self.agree == len(self.questions)

    def summary(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {
            "bits": self.federation.bits,
            "holders": len(self.federation.with_role("holder")),
            "authorities": len(self.federation.with_role("authority")),
            "processes": len(self.nodes),
            "queries": len(self.questions),
            "agree": self.agree,
            "eligible": sum(question.eligible is True for question in self.questions),
            "latency_ms": percentiles(self.questions),
            "setup_s": round(self.setup_s, 1),
            "asked_s": round(self.asked_s, 1),
            "seed": self.options.seed,
        }


@contextmanager
def demonstrate(options: Options, progress: Progress) -> Iterator[Demonstration]:
    """Run the demonstration; its nodes live as long as the `with` block."""
    started = time.monotonic()
    randomness = SystemRandomness()
    directory = _clear(options.directory)
    german = german_credit_plan(randomness)
    federation = make_local(directory / FEDERATION, german.plan, options.bits, randomness, clock(), progress=progress)
    recordings = directory / RECORDINGS
    recordings.mkdir()
    with Nodes((node.directory for node in federation.nodes.values()), recordings) as nodes:
        nodes.wait_until_ready(_counting(progress, "start nodes", len(nodes)))
        town = Town(federation, german.keys, randomness)
        running = Demonstration(options, federation, nodes, town=town)
        chosen = choose(options)
        running.people = town.enrol_all(chosen, lambda done: progress("enrol applicants", done, len(chosen)))
        running.setup_s = time.monotonic() - started
        _ask(running, town, progress)
        yield running
        town.close()


def _ask(running: Demonstration, town: Town, progress: Progress) -> None:
    started = time.monotonic()
    with verifier_client(running.federation) as client:
        total = len(running.people)
        oracle = Oracle(town.registry)
        running.questions = ask_all(running.people, client, oracle, lambda done: progress("ask", done, total))
    running.asked_s = time.monotonic() - started


def verifier_client(federation: LocalFederation) -> VerifierClient:
    """Return the service provider's client of the federation's verifier."""
    address = federation.nodes[VERIFIER].public
    if address is None:
        raise UsageError(f"{VERIFIER} has no public listener; make the federation anew.")
    return VerifierClient(address.url, VERIFIER, federation.ca_file)


def choose(options: Options) -> list[Applicant]:
    """Return the applicants to ask about, chosen by the seed."""
    everyone = german_credit.applicants()
    chosen = np.random.default_rng(options.seed).choice(len(everyone), options.applicants, replace=False)
    return [everyone[int(position)] for position in chosen]


def _clear(directory: Path) -> Path:
    """Make room for a demonstration; touches nothing but an earlier one."""
    earlier = directory / FEDERATION / LOCAL_FILE
    if directory.exists() and any(directory.iterdir()) and not earlier.exists():
        raise UsageError(f"{directory} holds something else than a demonstration; choose another --out.")
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    return directory


def _counting(progress: Progress, step: str, total: int) -> Callable[[str], None]:
    done = 0

    def count(_name: str) -> None:
        nonlocal done
        done += 1
        progress(step, done, total)

    return count
