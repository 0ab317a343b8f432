"""The subject's wallet: one secret, one consent per question, and the orders a subject may give."""

from privcredit.crypto.randomness import Randomness
from privcredit.errors import RefusedError, UsageError
from privcredit.protocols.consent.messages import Enrolment, Presentation, Registration, SubjectOrder
from privcredit.protocols.consent.steps import (
    WalletSecret,
    enrol,
    epoch_of,
    make_header,
    order,
    present,
    read_credential,
    register,
)
from privcredit.protocols.eligibility.messages import Request
from privcredit.protocols.eligibility.steps import check_request, open_request, terms_of
from privcredit.roles.identity import Clock
from privcredit.roles.registry import TrustedRegistry
from privcredit.scorecard.policy import Policy
from privcredit.storage.wallet import WalletStore


class Wallet:
    """One subject's conduct. Nothing leaves it that links two questions or two holders (protocols.md 2a)."""

    def __init__(
        self, secret: WalletSecret, registry: TrustedRegistry, store: WalletStore, randomness: Randomness, clock: Clock
    ) -> None:
        self._secret = secret
        self._registry = registry
        self._store = store
        self._randomness = randomness
        self._clock = clock

    def read_request(self, verifier: str, request_jws: str) -> tuple[Request, Policy]:
        """Return a verifier's verified request and its policy, to show to the subject before consenting."""
        key = self._registry.party(verifier, "verifier").signing_key
        request = open_request(request_jws, verifier, key)
        policy = self._registry.policy(request.policy_hash)
        check_request(request, request.policy_hash, policy, self._clock())
        return request, policy

    def consent(self, verifier: str, request_jws: str, *, anew: bool = False) -> Presentation:
        """Return the presentation that answers a request; calling it is the subject's consent.

        The same question in the same epoch is repeated, and answered as before. `anew` spends another evaluation on
        it instead: for a question that ended in `locked` or `contribution-expired`, and for nothing else.
        Raises RefusedError `budget-exhausted` when this epoch has no evaluation left.
        """
        request, policy = self.read_request(verifier, request_jws)
        terms = terms_of(policy, request.policy_hash)
        index = self._index(request, policy, epoch_of(request.expires, terms), anew)
        header = make_header(
            self._secret, terms, verifier, request.request_id, index, request.expires, self._randomness
        )
        holders = {term.holder: self._registry.party(term.holder, "holder").sealing_key for term in policy.holders}
        return present(self._secret, header, policy.budget_group, holders, self._randomness)

    def _index(self, request: Request, policy: Policy, epoch: int, anew: bool) -> int:
        """The same question in the same epoch takes the same index, so it is answered from the cache."""
        question = (policy.budget_group, epoch, request.verifier, request.policy_hash)
        with self._store.transaction() as records:
            known = None if anew else records.index_for(*question)
            index = records.take_index(*question) if known is None else known
            if index >= policy.budget:
                raise RefusedError(
                    "budget-exhausted",
                    f"You have been evaluated {policy.budget} times in this epoch; wait for the next one.",
                )
        return index

    def registration(self, code: str) -> Registration:
        """Return what the registrar needs, with the one-time code that the person got there."""
        return register(self._secret, self._registry.scheme, self._registrar, code, self._randomness)

    def keep_credential(self, credential: str) -> None:
        """Check and keep the registrar's credential."""
        key = self._registry.party(self._registrar, "holder").signing_key
        read_credential(credential, self._registrar, key)
        with self._store.transaction() as records:
            records.store_credential(self._registrar, credential)

    def enrolment(self, holder: str, code: str) -> Enrolment:
        """Return what `holder` needs to open the person's record to this wallet."""
        self._registry.party(holder, "holder")
        with self._store.transaction() as records:
            credential = records.credential(self._registrar)
        if credential is None:
            raise UsageError(f"This wallet has no credential yet; register it first at {self._registrar}.")
        return enrol(self._secret, self._registry.scheme, holder, credential, code, self._randomness)

    def enrolled_at(self, holder: str) -> None:
        """Remember an acknowledged enrolment."""
        with self._store.transaction() as records:
            records.store_enrolment(holder, self._clock())

    def enrolments(self) -> list[str]:
        """Return the holders at which this wallet is enrolled."""
        with self._store.transaction() as records:
            return records.enrolled()

    def order(self, holder: str, action: str) -> SubjectOrder:
        """Return the signed order "opt-out" or "return" for one holder."""
        self._registry.party(holder, "holder")
        return order(self._secret, self._registry.scheme, holder, action, self._clock(), self._randomness)

    @property
    def _registrar(self) -> str:
        return self._registry.document.registrar
