"""Every node's tables (SQLAlchemy Core), a metadata per role.

The migrations create them; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

holder = MetaData()
authority = MetaData()
coordinator = MetaData()
verifier = MetaData()
wallet = MetaData()


def _audit(metadata: MetaData) -> Table:
    """Hash-chained audit rows: each row's `hash` covers the one before."""
    return Table(
        "audit",
        metadata,
        Column("sequence", Integer, primary_key=True, autoincrement=False),
        Column("time", BigInteger, nullable=False),
        Column("event", Text, nullable=False),
        Column("details", Text, nullable=False),
        Column("previous", LargeBinary, nullable=False),
        Column("hash", LargeBinary, nullable=False, unique=True),
    )


audits = {name: _audit(metadata) for name, metadata in (("holder", holder), ("authority", authority))}

enrolment_codes = Table(
    "enrolment_codes",
    holder,
    Column("code_digest", LargeBinary, primary_key=True),
    Column("record_key", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("used", Boolean, nullable=False),
)

subjects = Table(
    "subjects",
    holder,
    Column("pseudonym", LargeBinary, primary_key=True),
    Column("record_key", Text, nullable=False, unique=True),
    Column("enrolled", BigInteger, nullable=False),
    Column("opted_out", Boolean, nullable=False),
    Column("ordered", BigInteger, nullable=False),
)

subject_orders = Table(
    "subject_orders",
    holder,
    Column("nonce", LargeBinary, primary_key=True),
    Column("received", BigInteger, nullable=False),
)

persons = Table(
    "persons",
    holder,
    Column("identity", Text, primary_key=True),
    Column("root_point", LargeBinary, nullable=False, unique=True),
    Column("credential", Text, nullable=False),
)

contributions = Table(
    "contributions",
    holder,
    Column("nullifier", LargeBinary, primary_key=True),
    Column("verifier", Text, nullable=False),
    Column("policy_hash", LargeBinary, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("origin_query", LargeBinary, nullable=False),
    Column("origin_point", LargeBinary, nullable=False),
    Column("issued", BigInteger, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("proof", LargeBinary, nullable=False),
)

seen_requests = Table(
    "seen_requests",
    holder,
    Column("request_id", LargeBinary, primary_key=True),
    Column("query_id", LargeBinary, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

nullifiers = Table(
    "nullifiers",
    authority,
    Column("nullifier", LargeBinary, primary_key=True),
    Column("sequence", Integer, nullable=False, unique=True),
    Column("verifier", Text, nullable=False),
    Column("policy_hash", LargeBinary, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("set_digest", LargeBinary, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("evaluator_1", Text, nullable=False),
    Column("evaluator_2", Text, nullable=False),
    Column("share_bits", LargeBinary, nullable=True),
    Column("run", LargeBinary, nullable=True),
    Column("run_query", LargeBinary, nullable=True),
    Column("run_evaluator_2", Text, nullable=True),
    Column("released", LargeBinary, nullable=True),
)

notices = Table(
    "notices",
    authority,
    Column("recipient", Text, primary_key=True),
    Column("nullifier", LargeBinary, primary_key=True),
    Column("notice", LargeBinary, nullable=False),
)

queries = Table(
    "queries",
    coordinator,
    Column("query_id", LargeBinary, primary_key=True),
    Column("submission", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", LargeBinary, nullable=False),
    Column("received", BigInteger, nullable=False),
)

requests = Table(
    "requests",
    verifier,
    Column("request_id", LargeBinary, primary_key=True),
    Column("policy_hash", LargeBinary, nullable=False),
    Column("jws", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

questions = Table(
    "questions",
    verifier,
    Column("request_id", LargeBinary, primary_key=True),
    Column("query_id", LargeBinary, nullable=False, unique=True),
    Column("submission", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("answer", LargeBinary, nullable=False),
)

uses = Table(
    "uses",
    wallet,
    Column("budget_group", Text, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("verifier", Text, nullable=False),
    Column("policy_hash", LargeBinary, nullable=False),
)

enrolments = Table(
    "enrolments",
    wallet,
    Column("holder", Text, primary_key=True),
    Column("enrolled", BigInteger, nullable=False),
)

credentials = Table(
    "credentials",
    wallet,
    Column("registrar", Text, primary_key=True),
    Column("credential", Text, nullable=False),
)
