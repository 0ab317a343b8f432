"""What a subject reads before consenting: who asks, what for, with which consequence, and who contributes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from privcredit.federation.wallet_directory import BudgetLine, OpenWallet
    from privcredit.scorecard.policy import HolderTerm, Policy


def consent_text(opened: "OpenWallet", verifier: str, request_jws: str) -> str:
    """Return the explanation of a verified request, taken from the signed policy and from nothing else.

    Raises what `Wallet.read_request` raises for a request that is not in order.
    """
    request, policy = opened.wallet.read_request(verifier, request_jws)
    enrolled = opened.wallet.enrolments()
    lines = [
        f"{verifier} asks about you: {policy.question}",
        f"  purpose      {policy.purpose}",
        f"  consequence  {policy.consequence}",
        f"  it learns    {_answers(policy)}; never your score, your records, or who contributed what",
        f"  answer by    {moment(request.expires)}",
        "These institutions compute points from their records and encrypt them. Each learns that this was asked:",
        *(_holder_line(term, term.holder in enrolled) for term in policy.holders),
        *_budget_lines(opened.budget(policy), verifier),
    ]
    return "\n".join(printable(line) for line in lines)


def _answers(policy: "Policy") -> str:
    names = [tier.name for tier in policy.tiers]
    return "eligible, or not eligible" if len(names) == 1 else f"one of {', '.join(reversed(names))}, or not eligible"


def _holder_line(term: "HolderTerm", enrolled: bool) -> str:
    kind = "required" if term.required else "optional: can only add points"
    if enrolled:
        return f"  {term.holder}: {kind}"
    effect = "so the answer will be: not eligible" if term.required else "so it adds nothing"
    return f"  {term.holder}: {kind}; this wallet is not enrolled there, {effect}"


def _budget_lines(line: "BudgetLine", verifier: str) -> Iterator[str]:
    budget = f"You can be evaluated {line.policy.budget} times until {moment(line.until)}; {line.used} used so far."
    yield f"{budget} The same question again is answered from the first time." if verifier in line.asked_by else budget


def moment(seconds: int) -> str:
    """Return a time for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def printable(text: str) -> str:
    """Return `text` without characters that could move the cursor or hide a part of it."""
    return "".join(character if character.isprintable() else "?" for character in text)
