"""Asking about every person through the verifier's API, next to the plaintext scorecard."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from privcredit.errors import PrivcreditError
from privcredit.http.verifier_client import VerifierClient
from privcredit.research import german_credit
from privcredit.research.demo.setting import POLICY, VERIFIER, Person
from privcredit.roles.registry import TrustedRegistry


@dataclass(frozen=True, slots=True)
class Question:
    """One question: what the oracle says, what the federation said (None: no answer, `problem` says why)."""

    identity: str
    expected: bool
    eligible: bool | None
    latency_ms: float
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether there was an answer and it is the oracle's."""
        return self.eligible is self.expected


class Oracle:
    """The plaintext scorecard at the policy's threshold: what one database would say."""

    def __init__(self, registry: TrustedRegistry) -> None:
        _, policy = registry.policy_named(POLICY)
        self._threshold = policy.tiers[0].at_least
        self._scorecard = german_credit.scorecard()

    def is_eligible(self, person: Person) -> bool:
        """Return the plaintext answer."""
        row = {name: value for name, value in person.applicant.items() if name != german_credit.IDENTITY_COLUMN}
        return self._scorecard.score(row).points >= self._threshold


def ask_all(
    people: Sequence[Person], client: VerifierClient, oracle: Oracle, progress: Callable[[int], None]
) -> list[Question]:
    """Ask about everyone, one after the other."""
    asked = []
    for done, person in enumerate(people, start=1):
        asked.append(ask(person, client, oracle.is_eligible(person)))
        progress(done)
    return asked


def ask(person: Person, client: VerifierClient, expected: bool) -> Question:
    """Ask about one person. The latency is the service provider's: from handing in the consent to the answer."""
    request = client.request(POLICY)
    presentation = person.wallet.consent(VERIFIER, request.request)
    started = time.perf_counter()
    try:
        answer = client.ask(request, presentation)
    except PrivcreditError as error:
        return Question(person.identity, expected, None, _milliseconds(started), str(error))
    return Question(person.identity, expected, answer.eligible, _milliseconds(started))


def percentiles(questions: Sequence[Question]) -> dict[str, float]:
    """Return p50, p95 and p99 of the latencies of answered questions, in milliseconds."""
    answered = [question.latency_ms for question in questions if question.eligible is not None]
    if not answered:
        return {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    return {name: round(float(np.percentile(answered, rank)), 1) for name, rank in RANKS.items()}


RANKS = {"p50": 50, "p95": 95, "p99": 99}


def _milliseconds(started: float) -> float:
    return (time.perf_counter() - started) * 1000
