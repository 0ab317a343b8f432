"""A holder's scorecards as the registry publishes them, and which of its tables computes each."""

from pathlib import Path
from typing import Final

from privcredit.errors import UsageError
from privcredit.federation.config import CONFIG_FILE, NodeConfig, SourceBinding
from privcredit.roles.registry import TrustedRegistry
from privcredit.scorecard.load import load_scorecard
from privcredit.scorecard.model import HolderScorecard
from privcredit.scorecard.policy import check_own_scorecard
from privcredit.scorecard.toml_format import parse_toml
from privcredit.sources.source import SourceConfig

DIGEST_HEX: Final = 64


def resolve_sources(config: NodeConfig, registry: TrustedRegistry) -> dict[bytes, tuple[SourceConfig, HolderScorecard]]:
    """Return, for every scorecard digest that a policy names for this holder, its source and the parsed scorecard.

    Raises UsageError if a scorecard has no source or two, or is not what its digest and the policy say.
    """
    found = {}
    for policy in registry.policies.values():
        for term in policy.holders:
            if term.holder == config.name:
                card = published_scorecard(registry, config.name, term.scorecard)
                check_own_scorecard(policy, card)
                found[term.scorecard] = (_source(config, term.scorecard), card)
    return found


def published_scorecard(registry: TrustedRegistry, holder: str, digest: bytes) -> HolderScorecard:
    """Return a holder's scorecard from the registry. Raises UsageError if the document has another digest."""
    card = parse_toml(registry.scorecard(holder, digest).document, f"The scorecard of {holder}").for_holder(holder)
    if card.digest != digest:
        raise UsageError(f"The registry's scorecard for {holder} is not what its digest says; have it published again.")
    return card


def _source(config: NodeConfig, digest: bytes) -> SourceConfig:
    exact = [binding.config for binding in config.sources if _names(config, binding, digest)]
    found = exact or [binding.config for binding in config.sources if not binding.scorecard]
    if len(found) != 1:
        where = config.directory / CONFIG_FILE
        raise UsageError(f"{where} has {len(found)} sources for scorecard {digest.hex()}; it needs exactly one.")
    return found[0]


def _names(config: NodeConfig, binding: SourceBinding, digest: bytes) -> bool:
    text = binding.scorecard
    if len(text) == DIGEST_HEX and set(text) <= set("0123456789abcdef"):
        return text == digest.hex()
    return bool(text) and load_scorecard(config.directory / Path(text)).for_holder(config.name).digest == digest
