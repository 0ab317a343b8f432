"""All steps of the consent protocol under one name; `wallet` makes what `checks` verifies (spec: steps 1 to 5)."""

from privcredit.protocols.consent.checks import (
    check_consent,
    check_enrolment,
    check_header,
    check_order,
    check_presentation,
    check_registration,
    check_terms,
    open_consent,
)
from privcredit.protocols.consent.credentials import issue_credential, read_credential
from privcredit.protocols.consent.statements import QueryTerms, epoch_of, header_digest, query_id
from privcredit.protocols.consent.wallet import (
    WalletSecret,
    enrol,
    make_consent,
    make_header,
    nullifier,
    one_time_code,
    order,
    present,
    pseudonym,
    query_point,
    register,
    root_point,
)

__all__ = [
    "QueryTerms",
    "WalletSecret",
    "check_consent",
    "check_enrolment",
    "check_header",
    "check_order",
    "check_presentation",
    "check_registration",
    "check_terms",
    "enrol",
    "epoch_of",
    "header_digest",
    "issue_credential",
    "make_consent",
    "make_header",
    "nullifier",
    "one_time_code",
    "open_consent",
    "order",
    "present",
    "pseudonym",
    "query_id",
    "query_point",
    "read_credential",
    "register",
    "root_point",
]
