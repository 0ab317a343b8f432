"""A holder's two applications: one for the coordinator (mutual TLS), one for its own subjects' wallets."""

from litestar import Litestar, post, put

from privcredit import __version__
from privcredit.errors import RefusedError, UsageError
from privcredit.http.application import make_app, require_role
from privcredit.http.ids import parse_id
from privcredit.http.observability import Observability
from privcredit.http.ping import ping
from privcredit.http.replies import Acknowledged
from privcredit.messages.codec import Message
from privcredit.protocols.consent.messages import Enrolment, Registration, SubjectOrder
from privcredit.protocols.eligibility.messages import ContributionReply, ContributionRequest
from privcredit.roles.holder import Holder
from privcredit.roles.registrar import Registrar


class EnrolmentRequest(Message, frozen=True, kw_only=True):
    """A wallet's enrolment with the one-time code that the holder gave to the person."""

    code: str
    enrolment: Enrolment


class RegistrationRequest(Message, frozen=True, kw_only=True):
    """A wallet's registration with the one-time code that the registrar gave to the person."""

    code: str
    registration: Registration


class RegistrationReply(Message, frozen=True, kw_only=True):
    """The registrar's credential (JWS)."""

    credential: str


def federation_app(holder: Holder, observability: Observability) -> Litestar:
    """Return what the coordinator talks to."""

    @put("/v1/contributions/{query_id:str}", sync_to_thread=True)
    def contribute(query_id: str, data: ContributionRequest) -> ContributionReply:
        """Answer one question about one subject with a signed, encrypted partial score (idempotent)."""
        if data.header.query_id != parse_id(query_id):
            raise UsageError("The query id in the path is not the one in the body.")
        return holder.contribute(data)

    return make_app(
        "privcredit holder",
        __version__,
        [contribute, ping],
        observability=observability,
        guards=[require_role("coordinator")],
    )


def public_app(holder: Holder, registrar: Registrar | None, observability: Observability) -> Litestar:
    """Return what the holder's own subjects talk to; `registrar` if this holder is one."""

    @post("/v1/enrolments", status_code=200, sync_to_thread=True)
    def enrol(data: EnrolmentRequest) -> Acknowledged:
        """Bind a pseudonym to the record that the one-time code opens."""
        holder.enrol(data.enrolment, data.code)
        return Acknowledged()

    @post("/v1/orders", status_code=200, sync_to_thread=True)
    def order(data: SubjectOrder) -> Acknowledged:
        """Carry out a subject's order: opt out, or return. Holds for every question after this reply."""
        holder.obey(data)
        return Acknowledged()

    @post("/v1/registrations", status_code=200, sync_to_thread=True)
    def register(data: RegistrationRequest) -> RegistrationReply:
        """Vouch that this wallet's key belongs to the person whom the one-time code names."""
        if registrar is None:
            raise RefusedError("not-a-registrar", "This holder is not the registrar; the registry names it.")
        return RegistrationReply(credential=registrar.register(data.registration, data.code))

    return make_app(
        "privcredit holder, for subjects", __version__, [enrol, order, register], observability=observability
    )
