"""One-time codes: what an institution hands to a person it knows, so that a wallet can claim that person's record."""

from privcredit.crypto.randomness import Randomness
from privcredit.crypto.transcript import digest
from privcredit.errors import RefusedError
from privcredit.protocols.consent.steps import one_time_code
from privcredit.storage.holder import Code, HolderRecords


def issue_code(
    records: HolderRecords, record_key: str, identity: str, purpose: str, expires: int, randomness: Randomness
) -> str:
    """Return a new code for this record and person; only its digest is stored. Who runs it: the holder's clerk."""
    code = one_time_code(randomness)
    records.add_code(_digest(code), Code(record_key, identity, purpose, expires, used=False))
    return code


def redeem(records: HolderRecords, code: str, purpose: str, now: int) -> Code:
    """Return what a code opens, and mark it used. A used code still opens the very same request after a lost reply.

    Raises RefusedError `wrong-code`, the same for unknown, expired and misplaced codes.
    """
    found = records.code(_digest(code))
    if found is None or found.purpose != purpose or now >= found.expires:
        raise RefusedError("wrong-code", "This one-time code is unknown or has expired; ask for a new one.")
    records.use_code(_digest(code))
    return found


def _digest(code: str) -> bytes:
    return digest("one-time code", code.encode())
