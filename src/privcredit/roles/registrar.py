"""The registrar: checks identity once and vouches that a wallet's key belongs to one person. Sees no question."""

from privcredit.errors import RefusedError
from privcredit.protocols.consent.messages import Registration
from privcredit.protocols.consent.steps import check_registration, issue_credential
from privcredit.roles.codes import redeem
from privcredit.roles.identity import Clock, PartyKeys
from privcredit.storage.holder import REGISTRATION, HolderStore


class Registrar:
    """One key per person and one person per key, by UNIQUE constraints."""

    def __init__(self, keys: PartyKeys, scheme: str, store: HolderStore, clock: Clock) -> None:
        self._keys = keys
        self._scheme = scheme
        self._store = store
        self._clock = clock

    def register(self, registration: Registration, code: str) -> str:
        """Return the credential (JWS) of the person whom the code names. Repeating a registration is harmless.

        Raises RefusedError: `wrong-code`, `already-registered`, and those of the proof.
        """
        check_registration(registration, self._scheme, self._keys.name, code)
        with self._store.transaction() as records:
            person = redeem(records, code, REGISTRATION, self._clock())
            known = records.person_credential(person.identity, registration.root_point)
            if known is not None:
                return known
            credential = issue_credential(
                self._scheme,
                self._keys.name,
                person.identity,
                registration.root_point,
                self._clock(),
                self._keys.signing,
            )
            if not records.register_person(person.identity, registration.root_point, credential):
                raise RefusedError("already-registered", "This person or this wallet is registered already.")
            records.log(self._clock(), "registered", {"identity": person.identity})
        return credential
