"""A whole federation in one process: real roles, real cryptography at 2048 bits, direct calls instead of HTTP.

Each party has its own SQLite file, so a "restart" is a new role object over the same file.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from privcredit.channels.interface import Channel
from privcredit.crypto.dgk_keys import DgkPrivateKey
from privcredit.crypto.paillier import Encryptor
from privcredit.crypto.sealed import SealingKey
from privcredit.crypto.signing import SigningKey
from privcredit.errors import UnavailableError
from privcredit.http.session_channel import Inboxes, SessionChannel, SessionMessage
from privcredit.messages.codec import PROTOCOL_VERSION, decode_json, encode_json
from privcredit.protocols.consent.messages import Presentation
from privcredit.protocols.consent.steps import WalletSecret
from privcredit.protocols.eligibility.messages import (
    ContributionReply,
    ContributionRequest,
    EvaluationOrder,
    EvaluationResult,
    PinNotice,
    PinPage,
    QueryStatus,
    QuerySubmission,
)
from privcredit.roles.authority import Authority
from privcredit.roles.codes import issue_code
from privcredit.roles.comparison import Comparer, ComparisonKeys
from privcredit.roles.coordinator import Coordinator
from privcredit.roles.holder import Holder
from privcredit.roles.identity import PartyKeys
from privcredit.roles.registrar import Registrar
from privcredit.roles.registry import (
    AuthorityStatement,
    Party,
    RegistryDocument,
    ScorecardEntry,
    TrustedRegistry,
    open_registry,
    sign_policy,
    sign_registry,
    sign_statement,
    threshold_key_bytes,
    threshold_key_digest,
)
from privcredit.roles.verifier import Answer, SignedRequest, Verifier
from privcredit.roles.wallet import Wallet
from privcredit.scorecard.model import Scorecard
from privcredit.scorecard.policy import Policy, PolicyRules, Tier, build_policy
from privcredit.scorecard.toml_format import parse_toml
from privcredit.storage.authority import AuthorityStore
from privcredit.storage.coordinator import CoordinatorStore
from privcredit.storage.holder import ENROLMENT, REGISTRATION, HolderStore
from privcredit.storage.verifier import VerifierStore
from privcredit.storage.wallet import WalletStore
from support.dgk import dgk_key
from support.keys import dealing_2048
from support.seeded import SeededRandomness

NOW = 1_800_000_000
SCHEME = "town"
HOLDERS = ("bank", "court", "charity")
AUTHORITIES = ("authority-1", "authority-2", "authority-3")
VERIFIERS = ("shop", "hotel")
POLICY = "deposit-free"

SCORECARD = """
format = "privcredit-scorecard/1"
name = "town"
version = "1"
initial_score = 100

[fields]
income = "integer"
fines = "integer"
hours = "integer"

[[characteristics]]
name = "income"
holder = "bank"
attributes = [
  { when = "income is missing", score = 0 },
  { when = "income < 2000", score = -20 },
  { when = "income >= 2000", score = 30 },
]

[[characteristics]]
name = "fines"
holder = "court"
attributes = [
  { when = "fines is missing", score = 0 },
  { when = "fines > 2", score = -50 },
  { when = "fines <= 2", score = 5 },
]

[[characteristics]]
name = "hours"
holder = "charity"
attributes = [
  { when = "hours is missing", score = 0 },
  { when = "hours >= 10", score = 20 },
  { when = "hours < 10", score = 0 },
]
"""

PEOPLE = {
    "anna": {"income": 3000, "fines": 0, "hours": 20},
    "ben": {"income": 1000, "fines": 0, "hours": 0},
    "carla": {"income": 3000, "fines": 9, "hours": 20},
}
THRESHOLD = 130


@dataclass
class Time:
    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class TableSource:
    """A holder's database, and which records it was asked for. "anna#2" is another person with anna's points."""

    scorecard: Scorecard
    holder: str
    asked: list[str] = field(default_factory=list)

    def points(self, record_key: str) -> int | None:
        self.asked.append(record_key)
        row = PEOPLE.get(record_key.removeprefix(self.holder + ":").partition("#")[0])
        return None if row is None else self.scorecard.for_holder(self.holder).points(row)


def plain_answer(person: str, threshold: int = THRESHOLD, known: tuple[str, ...] = HOLDERS) -> bool:
    """The oracle: every required holder knows the person, and the points reach the threshold."""
    scorecard = parse_toml(SCORECARD, "test")
    points = {holder: scorecard.for_holder(holder).points(PEOPLE[person]) for holder in known}
    return {"bank", "court"} <= set(known) and 100 + sum(points.values()) >= threshold


@cache
def authority_dgk(name: str) -> DgkPrivateKey:
    return DgkPrivateKey.generate(2048, 40, SeededRandomness(f"dgk {name}"))


@cache
def shared_encryptor() -> Encryptor:
    """One power table for all parties of all tests; it holds nothing secret but its unused pool."""
    dgk_key(2048)
    return Encryptor(dealing_2048().threshold_key.key, SeededRandomness("encryptor"), window=5)


@cache
def comparer(name: str) -> Comparer:
    """Its tables take a quarter of a second; what it makes ahead is used once, whichever town uses it."""
    keys = ComparisonKeys(
        name,
        dealing_2048().threshold_key,
        dealing_2048().shares[AUTHORITIES.index(name)],
        authority_dgk(name),
        {other: authority_dgk(other).public for other in AUTHORITIES},
    )
    return Comparer(keys, AUTHORITIES, shared_encryptor(), SeededRandomness(f"comparer {name}"), None)


@cache
def party_keys(name: str) -> PartyKeys:
    randomness = SeededRandomness(f"party {name}")
    return PartyKeys(name, SigningKey.generate(randomness), SealingKey.generate(randomness))


def roles() -> dict[str, str]:
    return (
        dict.fromkeys(HOLDERS, "holder")
        | dict.fromkeys(AUTHORITIES, "authority")
        | dict.fromkeys(VERIFIERS, "verifier")
        | {"coordinator": "coordinator"}
    )


REGISTRY_KEY = SigningKey.generate(SeededRandomness("registry"))


def make_policy(**changes: object) -> Policy:
    rules = {
        "id": POLICY,
        "scheme": SCHEME,
        "title": "Deposit-free rental",
        "question": "Eligible for a deposit-free rental?",
        "purpose": "rental",
        "subject_class": "person",
        "consequence": "ordinary terms",
        "tiers": (Tier(name="eligible", at_least=THRESHOLD),),
        "verifiers": VERIFIERS,
        "budget_group": SCHEME,
        "budget": 2,
        "epoch_seconds": 30 * 86400,
        "request_seconds": 300,
        "contribution_seconds": 600,
        "valid_from": 0,
        "valid_until": NOW * 2,
        "optional_holders": ("charity",),
    }
    scorecard = parse_toml(SCORECARD, "test")
    fingerprint = dealing_2048().threshold_key.key.fingerprint
    return build_policy(scorecard, PolicyRules(**(rules | changes)), fingerprint)


def make_document(policies: tuple[Policy, ...]) -> RegistryDocument:
    scorecard = parse_toml(SCORECARD, "test")
    parties = tuple(
        Party(
            name=name,
            role=role,
            signing_key=party_keys(name).signing.public_bytes,
            sealing_key=party_keys(name).sealing.public,
            address=f"https://127.0.0.1:{7000 + index}",
        )
        for index, (name, role) in enumerate(roles().items())
    )
    threshold_key = threshold_key_bytes(dealing_2048().threshold_key)
    statements = tuple(
        sign_statement(
            AuthorityStatement(
                version=PROTOCOL_VERSION,
                scheme=SCHEME,
                authority=name,
                threshold_key_digest=threshold_key_digest(SCHEME, threshold_key),
                dgk_key=authority_dgk(name).public.to_bytes(),
            ),
            party_keys(name).signing,
        )
        for name in AUTHORITIES
    )
    return RegistryDocument(
        version=PROTOCOL_VERSION,
        scheme=SCHEME,
        serial=1,
        issued=NOW,
        registrar="bank",
        parties=parties,
        threshold_key=threshold_key,
        statements=statements,
        scorecards=tuple(
            ScorecardEntry(holder=name, digest=scorecard.for_holder(name).digest, document=SCORECARD)
            for name in HOLDERS
        ),
        policies=tuple(sign_policy(policy, REGISTRY_KEY) for policy in policies),
    )


@cache
def default_registry() -> TrustedRegistry:
    return make_registry(make_policy())


def make_registry(*policies: Policy) -> TrustedRegistry:
    document = make_document(policies or (make_policy(),))
    return open_registry(sign_registry(document, REGISTRY_KEY), REGISTRY_KEY.public_bytes)


class Town:
    """All parties. `down` names the parties that do not answer; `tap` sees every order before it is delivered.

    urls: where each party's database is, by name; SQLite files in `directory` by default.
    """

    def __init__(self, directory: Path, *policies: Policy, urls: Callable[[str], str] | None = None) -> None:
        self.directory = directory
        self.urls = urls
        self.registry = make_registry(*policies) if policies else default_registry()
        self.scorecard = parse_toml(SCORECARD, "test")
        self.time = Time()
        self.randomness = SeededRandomness("town")
        self.down: set[str] = set()
        self.tap: Callable[[EvaluationOrder], EvaluationOrder] = lambda order: order
        self.orders: list[tuple[str, EvaluationOrder]] = []
        self.pool = ThreadPoolExecutor(24)
        self.sources = {name: TableSource(self.scorecard, name) for name in HOLDERS}
        self.inboxes = {name: Inboxes() for name in AUTHORITIES}
        self.holder_stores: dict[str, HolderStore] = {}
        self.authority_stores: dict[str, AuthorityStore] = {}
        self.holders = {name: self.start_holder(name) for name in HOLDERS}
        self.authorities: dict[str, Authority] = {}
        for name in AUTHORITIES:
            self.authorities[name] = self.start_authority(name)
        for authority in self.authorities.values():
            authority.keep_up()
        self.coordinator = self.start_coordinator()
        self.verifiers = {name: self.start_verifier(name) for name in VERIFIERS}
        self.wallets: dict[str, Wallet] = {}

    def close(self) -> None:
        """Stop all threads and close the databases that are open now."""
        self.pool.shutdown(wait=True, cancel_futures=True)
        for store in (*self.holder_stores.values(), *self.authority_stores.values()):
            store.close()

    def url(self, name: str) -> str:
        return self.urls(name) if self.urls else f"sqlite:///{self.directory / name}.db"

    def start_holder(self, name: str) -> Holder:
        self.holder_stores[name] = store = HolderStore(self.url(name))
        digest = self.scorecard.for_holder(name).digest
        sources = {digest: self.sources[name]}
        return Holder(party_keys(name), self.registry, shared_encryptor(), sources, store, self.randomness, self.time)

    def start_authority(self, name: str) -> Authority:
        self.authority_stores[name] = store = AuthorityStore(self.url(name))
        links = LocalAuthorityLinks(self, name)
        return Authority(party_keys(name), self.registry, comparer(name), store, links, self.randomness, self.time)

    def start_coordinator(self) -> Coordinator:
        store = CoordinatorStore(self.url("coordinator"))
        links = LocalCoordinatorLinks(self)
        return Coordinator(party_keys("coordinator"), self.registry, store, links, self.pool, self.time)

    def start_verifier(self, name: str) -> Verifier:
        store = VerifierStore(self.url(name))
        return Verifier(
            party_keys(name), self.registry, store, LocalVerifierLinks(self, name), self.randomness, self.time
        )

    # --- people --------------------------------------------------------------------------------------------------

    def wallet(self, person: str, holders: tuple[str, ...] = HOLDERS) -> Wallet:
        """A person's wallet, registered and enrolled at `holders`."""
        if person not in self.wallets:
            secret = WalletSecret.generate(SeededRandomness(f"wallet {person}"))
            store = WalletStore(self.url(f"wallet-{person}"))
            wallet = Wallet(secret, self.registry, store, self.randomness, self.time)
            self.register(wallet, person)
            for holder in holders:
                self.enrol(wallet, person, holder)
            self.wallets[person] = wallet
        return self.wallets[person]

    def code(self, holder: str, person: str, purpose: str) -> str:
        with self.holder_stores[holder].transaction() as records:
            return issue_code(
                records, f"{holder}:{person}", f"id-{person}", purpose, self.time() + 3600, self.randomness
            )

    def register(self, wallet: Wallet, person: str) -> None:
        code = self.code("bank", person, REGISTRATION)
        registrar = Registrar(party_keys("bank"), SCHEME, self.holder_stores["bank"], self.time)
        wallet.keep_credential(registrar.register(wallet.registration(code), code))

    def enrol(self, wallet: Wallet, person: str, holder: str) -> None:
        code = self.code(holder, person, ENROLMENT)
        self.holders[holder].enrol(wallet.enrolment(holder, code), code)
        wallet.enrolled_at(holder)

    # --- questions -----------------------------------------------------------------------------------------------

    def present(self, person: str, verifier: str = "shop", policy: str = POLICY) -> tuple[SignedRequest, Presentation]:
        request = self.verifiers[verifier].request(policy)
        return request, self.wallet(person).consent(verifier, request.jws)

    def ask(self, person: str, verifier: str = "shop", policy: str = POLICY) -> Answer:
        request, presentation = self.present(person, verifier, policy)
        return self.verifiers[verifier].ask(request.request.request_id, presentation)

    def contributions(self, request: SignedRequest, presentation: Presentation) -> tuple[str, ...]:
        """What the coordinator would collect."""
        return tuple(
            self.holders[consent.holder]
            .contribute(ContributionRequest(request=request.jws, header=presentation.header, consent=consent))
            .contribution
            for consent in presentation.consents
        )

    def order(
        self, person: str, pair: tuple[str, str] = ("authority-1", "authority-2"), verifier: str = "shop"
    ) -> EvaluationOrder:
        """An honest order, not yet given to anyone."""
        request, presentation = self.present(person, verifier)
        return EvaluationOrder(
            request=request.jws,
            header=presentation.header,
            contributions=self.contributions(request, presentation),
            evaluator_1=pair[0],
            evaluator_2=pair[1],
            attempt=0,
        )

    def evaluate(self, order: EvaluationOrder) -> EvaluationResult:
        """Both evaluators, side by side; evaluator 2's result."""
        first = self.pool.submit(self.authorities[order.evaluator_1].evaluate, order)
        try:
            return self.authorities[order.evaluator_2].evaluate(order)
        finally:
            first.exception()


def rewire(value: object) -> object:
    """What the wire does to a message: encode, decode."""
    return decode_json(encode_json(value), type(value))


class LocalAuthorityLinks:
    def __init__(self, town: Town, name: str) -> None:
        self.town = town
        self.name = name

    def channel(self, session: bytes, peer: str) -> Channel:
        return SessionChannel(
            session, party_keys(self.name), self.town.registry.parties[peer], self.town.inboxes[self.name], self.post
        )

    def post(self, peer: str, session: bytes, message: SessionMessage) -> None:
        self.require(peer)
        self.town.inboxes[peer].put(session, self.name, rewire(message))

    def close(self, session: bytes) -> None:
        self.town.inboxes[self.name].close(session)

    def require(self, peer: str) -> None:
        if peer in self.town.down:
            raise UnavailableError(f"{peer} is down.")

    def pin(self, authority: str, notice: PinNotice) -> None:
        self.require(authority)
        self.town.authorities[authority].accept_pin(rewire(notice), self.name)

    def pins_of(self, authority: str, after: int) -> PinPage:
        self.require(authority)
        return self.town.authorities[authority].pins_after(after)


class LocalCoordinatorLinks:
    def __init__(self, town: Town) -> None:
        self.town = town

    def contribute(self, holder: str, request: ContributionRequest) -> ContributionReply:
        if holder in self.town.down:
            raise UnavailableError(f"{holder} is down.")
        return rewire(self.town.holders[holder].contribute(rewire(request)))

    def evaluate(self, authority: str, order: EvaluationOrder) -> EvaluationResult:
        if authority in self.town.down:
            raise UnavailableError(f"{authority} is down.")
        order = self.town.tap(order)
        self.town.orders.append((authority, order))
        return rewire(self.town.authorities[authority].evaluate(rewire(order)))

    def is_up(self, authority: str) -> bool:
        return authority not in self.town.down

    probe = is_up


class LocalVerifierLinks:
    def __init__(self, town: Town, name: str) -> None:
        self.town = town
        self.name = name

    def submit(self, query_id: bytes, submission: QuerySubmission) -> QueryStatus:
        if "coordinator" in self.town.down:
            raise UnavailableError("coordinator is down.")
        return rewire(self.town.coordinator.submit(query_id, rewire(submission)))

    def status(self, query_id: bytes) -> QueryStatus:
        return rewire(self.town.coordinator.status(query_id, self.name))
