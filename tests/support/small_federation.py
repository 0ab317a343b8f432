"""A small federation on disk: one holder, a coordinator, three authorities, a verifier; the fixed 2048-bit test key."""

import functools
import shutil
from dataclasses import replace
from pathlib import Path

from privcredit.crypto.ceremony import Dealing
from privcredit.federation.ceremony_files import CeremonyResult, MakeDealing, hold_ceremony, install_share
from privcredit.federation.config import Address, NodeConfig, SourceBinding, default_database
from privcredit.federation.local import AUTHORITY_NAMES, LocalPlan
from privcredit.federation.node_setup import accept_welcome, init_node
from privcredit.federation.operator import Operator, admit, create_federation, load_operator
from privcredit.federation.publish import PolicySource, Publication
from privcredit.scorecard.model import Scorecard
from privcredit.scorecard.toml_format import parse_toml
from privcredit.sources.source import SourceConfig
from support.keys import dealing_2048
from support.seeded import SeededRandomness

NOW = 1_800_000_000
SCHEME = "town"
BITS = 2048

ROLES = {
    **dict.fromkeys(AUTHORITY_NAMES, "authority"),
    "bank": "holder",
    "coordinator": "coordinator",
    "shop": "verifier",
}

CARD = """
format = "privcredit-scorecard/1"
name = "town"
version = "1"
initial_score = 100

[fields]
income = "integer"
job = "string"

[[characteristics]]
name = "income"
holder = "bank"
attributes = [
  { when = "income >= 1000", score = 10 },
  { when = "otherwise", score = -5 },
]

[[characteristics]]
name = "job"
holder = "bank"
attributes = [
  { when = 'job == "teacher"', score = 3 },
  { when = "otherwise", score = 0 },
]
"""

POLICY = """
format = "privcredit-policy/1"
id = "deposit-free"
scheme = "town"
title = "Deposit-free"
question = "Eligible?"
purpose = "A rental contract."
subject_class = "natural person"
consequence = "A deposit."
threshold = 105
verifiers = ["shop"]
budget = 3
epoch = "30 days"
request_lifetime = "10 minutes"
contribution_lifetime = "10 minutes"
valid_for = "365 days"
"""

RECORDS = "id,income,job\n1,500,teacher\n2,2000,clerk\n"


def fixed_dealing(bits: int, _randomness: object, progress: object = None) -> Dealing:
    """Stand in for the dealer: the fixed key, at once."""
    assert bits == BITS
    if progress is not None:
        progress("find safe primes", 1, 0)
    return dealing_2048()


def card(text: str = CARD) -> Scorecard:
    return parse_toml(text, "card")


def config(directory: Path, name: str, /, **changes: object) -> NodeConfig:
    role = changes.pop("role", ROLES[name])
    port = 7001 + list(ROLES).index(name)
    public = Address("127.0.0.1", port + 100) if role in {"holder", "verifier"} else None
    source = SourceConfig(kind="csv", location="records.csv", key_column="id")
    settings = {
        "directory": directory,
        "name": name,
        "role": role,
        "scheme": SCHEME,
        "federation": Address("127.0.0.1", port),
        "public": public,
        "observability": Address("127.0.0.1", port + 200),
        "database": default_database(directory),
        "sources": (SourceBinding("", source),) if role == "holder" else (),
    }
    return NodeConfig(**{**settings, **changes})


class SmallFederation:
    """Everything up to the authorities' statements; a test publishes and pins as it likes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.randomness = SeededRandomness("small federation")
        self.operator: Operator = create_federation(root / "operator", SCHEME, NOW, self.randomness)
        for name in ROLES:
            init_node(config(self.node(name), name), self.randomness)
            accept_welcome(self.node(name), admit(self.operator, self.join(name), NOW), NOW)
        (self.node("bank") / "records.csv").write_text(RECORDS)
        self.ceremony: CeremonyResult = self.deal("ceremony")
        for name in AUTHORITY_NAMES:
            self.install(name)

    def copied(self, root: Path) -> "SmallFederation":
        """An independent copy under `root`."""
        shutil.copytree(self.root, root)
        other = SmallFederation.__new__(SmallFederation)
        other.root, other.randomness = root, self.randomness
        other.operator = load_operator(root / "operator")
        other.ceremony = replace(self.ceremony, threshold_key_file=root / "ceremony" / "threshold-key.json")
        return other

    def node(self, name: str) -> Path:
        return self.root / name

    def join(self, name: str) -> Path:
        return self.node(name) / "join.json"

    def statement(self, name: str) -> Path:
        return self.node(name) / "statement.jws"

    def deal(self, directory: str, make_dealing: MakeDealing = fixed_dealing) -> CeremonyResult:
        joins = [self.join(name) for name in AUTHORITY_NAMES]
        return hold_ceremony(self.root / directory, joins, BITS, self.randomness, None, make_dealing)

    def install(self, name: str, **changes: object) -> Path:
        share = self.root / "ceremony" / f"share-{name}.json"
        arguments = {"sealed_share": share, "threshold_key_file": self.ceremony.threshold_key_file, **changes}
        return install_share(self.node(name), randomness=self.randomness, **arguments)

    def publication(self, **changes: object) -> Publication:
        settings = {
            "threshold_key_file": self.ceremony.threshold_key_file,
            "statement_files": [self.statement(name) for name in AUTHORITY_NAMES],
            "registrar": "bank",
            "policies": [PolicySource(POLICY, card())],
        }
        return Publication(**{**settings, **changes})


def write_records(directory: Path) -> dict[str, SourceConfig]:
    """What a local federation's only holder has."""
    path = directory / "records.csv"
    path.write_text(RECORDS)
    return {"bank": SourceConfig(kind="csv", location=str(path), key_column="id")}


def plan(**changes: object) -> LocalPlan:
    settings = {
        "scheme": SCHEME,
        "holders": ("bank",),
        "write_records": write_records,
        "registrar": "bank",
        "verifiers": ("shop",),
        "policies": (PolicySource(POLICY, card()),),
    }
    return LocalPlan(**{**settings, **changes})


@functools.cache
def secrets_of_fixed_dealing() -> tuple[int, ...]:
    return tuple(int(share.secret) for share in dealing_2048().shares)
