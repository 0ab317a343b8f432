"""Credentials: the registrar's signed statement that a person has one wallet, N_0 (spec section 2.1)."""

from typing import Final

from privcredit.crypto.signing import SigningKey, sign_jws, verify_jws
from privcredit.errors import InvalidProofError
from privcredit.messages.codec import PROTOCOL_VERSION, MalformedError, decode_json, encode_json
from privcredit.protocols.consent.messages import Credential

CREDENTIAL_TYPE: Final = "privcredit-credential+jws"
STEP: Final = "read credential"


def issue_credential(
    scheme: str, registrar: str, identity: str, root_point: bytes, issued: int, key: SigningKey
) -> str:
    """Return the credential as JWS. The registrar runs it after `check_registration` and its uniqueness checks."""
    credential = Credential(
        version=PROTOCOL_VERSION,
        scheme=scheme,
        registrar=registrar,
        identity=identity,
        root_point=root_point,
        issued=issued,
    )
    return sign_jws(key, registrar, CREDENTIAL_TYPE, encode_json(credential))


def read_credential(jws: str, registrar: str, registrar_key: bytes) -> Credential:
    """Return the credential that `registrar` signed with `registrar_key` (32 bytes from the registry).

    Raises InvalidProofError naming the registrar.
    """
    payload = verify_jws(jws, registrar_key, registrar, CREDENTIAL_TYPE, registrar)
    try:
        credential = decode_json(payload, Credential)
    except MalformedError as error:
        raise InvalidProofError(registrar, STEP, "a signed credential cannot be read") from error
    if credential.version != PROTOCOL_VERSION or credential.registrar != registrar:
        raise InvalidProofError(registrar, STEP, "a credential names another version or registrar than its signature")
    return credential
