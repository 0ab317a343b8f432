"""What every party of a federation holds: its name, its two secret keys, the pinned registry, a clock."""

from collections.abc import Callable
from dataclasses import dataclass

from privcredit.crypto.sealed import SealingKey
from privcredit.crypto.signing import SigningKey
from privcredit.errors import UsageError
from privcredit.roles.registry import TrustedRegistry

Clock = Callable[[], int]
"""Unix time in whole seconds."""


@dataclass(frozen=True, slots=True, repr=False)
class PartyKeys:
    """A party's signing and sealing key. No encoder; the repr says nothing."""

    name: str
    signing: SigningKey
    sealing: SealingKey

    def __repr__(self) -> str:
        return f"PartyKeys({self.name}, <redacted>)"


def check_own_entry(keys: PartyKeys, role: str, registry: TrustedRegistry) -> None:
    """Refuse to start under a registry that lists other keys for this party than it holds."""
    entry = registry.party(keys.name, role)
    if entry.signing_key != keys.signing.public_bytes or entry.sealing_key != keys.sealing.public:
        raise UsageError(
            f"The registry lists other keys for {keys.name} than this node holds; ask the registry to update it."
        )
