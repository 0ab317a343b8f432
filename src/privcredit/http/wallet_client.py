"""A wallet's calls to the institutions that know its owner: register, enrol, opt out, return."""

from privcredit.errors import UsageError
from privcredit.http.client import PeerClient
from privcredit.http.holder_app import EnrolmentRequest, RegistrationReply, RegistrationRequest
from privcredit.http.replies import Acknowledged
from privcredit.http.tls import ClientTls
from privcredit.roles.registry import TrustedRegistry
from privcredit.roles.wallet import Wallet


class WalletClient:
    """Carries a wallet's messages to holders' public listeners; `tls` needs only the federation's CA."""

    def __init__(self, wallet: Wallet, registry: TrustedRegistry, tls: ClientTls) -> None:
        self._wallet = wallet
        self._registry = registry
        self._tls = tls

    def register(self, code: str) -> None:
        """Register at the registrar with a one-time code, and keep its credential."""
        request = RegistrationRequest(code=code, registration=self._wallet.registration(code))
        registrar = self._registry.document.registrar
        with self._holder(registrar) as client:
            reply = client.post("/v1/registrations", request, RegistrationReply)
        self._wallet.keep_credential(reply.credential)

    def enrol(self, holder: str, code: str) -> None:
        """Enrol at a holder with a one-time code."""
        request = EnrolmentRequest(code=code, enrolment=self._wallet.enrolment(holder, code))
        with self._holder(holder) as client:
            client.post("/v1/enrolments", request, Acknowledged)
        self._wallet.enrolled_at(holder)

    def order(self, holder: str, action: str) -> None:
        """Opt out at a holder, or return. Holds for every later question once this returns."""
        order = self._wallet.order(holder, action)
        with self._holder(holder) as client:
            client.post("/v1/orders", order, Acknowledged)

    def _holder(self, name: str) -> PeerClient:
        party = self._registry.party(name, "holder")
        if not party.public_address:
            raise UsageError(f"The registry lists no public address for {name}; ask {name} to publish one.")
        return PeerClient(party.public_address, self._tls, name)
