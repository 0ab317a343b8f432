"""Which schemes `federation init` and the demo can set up on one machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from privcredit.crypto.randomness import Randomness
from privcredit.errors import UsageError

if TYPE_CHECKING:
    from privcredit.federation.local import LocalPlan
    from privcredit.sources.source import SourceConfig

VERIFIER: Final = "rental-platform"
"""The one verifier that the German Credit policy names."""


@dataclass(slots=True)
class GermanCreditRecords:
    """Writes the applicants' records; then `keys` says which record is whose: holder -> identity -> record key."""

    randomness: Randomness
    count: int | None = None
    keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __call__(self, directory: Path) -> "Mapping[str, SourceConfig]":
        """Write every holder's database into `directory`."""
        from privcredit.research.german_credit import write_holder_databases

        written = write_holder_databases(directory, self.randomness, self.count)
        self.keys = written.keys
        return written.sources


def german_credit_plan(records: GermanCreditRecords) -> "LocalPlan":
    """Return the plan of the German Credit federation: four holders (the bank is registrar) and one verifier."""
    from privcredit.federation.local import LocalPlan
    from privcredit.federation.publish import PolicySource
    from privcredit.research import german_credit

    return LocalPlan(
        scheme=german_credit.SCHEME,
        holders=german_credit.holders(),
        write_records=records,
        registrar=german_credit.REGISTRAR,
        verifiers=(VERIFIER,),
        policies=(PolicySource(german_credit.FOLDER / "policy.toml", german_credit.scorecard()),),
    )


PLANS: Mapping[str, Callable[[Randomness], "LocalPlan"]] = {
    "german-credit": lambda randomness: german_credit_plan(GermanCreditRecords(randomness)),
}


def local_plan(scheme: str, randomness: Randomness) -> "LocalPlan":
    """Return the plan of a scheme by name. Raises UsageError naming the schemes that there are."""
    if scheme not in PLANS:
        raise UsageError(f"There is no scheme {scheme!r} to set up here; choose one of: {', '.join(PLANS)}.")
    return PLANS[scheme](randomness)
