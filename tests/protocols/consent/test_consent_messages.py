"""Wire types and the wallet's secret: what cannot be decoded, and what cannot be sent."""

import copy
import json
from typing import Any

import msgspec
import pytest

from privcredit.crypto.sealed import SealingKey, seal
from privcredit.crypto.signing import SigningKey
from privcredit.errors import UsageError
from privcredit.messages.codec import MalformedError, Message, decode, decode_json, encode, encode_json
from privcredit.protocols.consent import messages, steps
from support.seeded import SeededRandomness, StuckRandomness

R = SeededRandomness("messages")
SECRET = steps.WalletSecret.generate(R)
TERMS = steps.QueryTerms("city", bytes(32), bytes(32), ("agency",), "city", 1, 3600, 60)
HEADER = steps.make_header(SECRET, TERMS, "agency", R.bytes(32), 0, 10_000, R)
CONSENT = steps.make_consent(SECRET, HEADER, "city", "bank", R)
EXAMPLES: list[Message] = [
    HEADER,
    CONSENT,
    messages.SealedConsent(holder="bank", box=b"box"),
    messages.Presentation(header=HEADER, consents=(messages.SealedConsent(holder="bank", box=b"box"),)),
    steps.register(SECRET, "city", "civil", "code", R),
    messages.Enrolment(holder="bank", pseudonym=bytes(32), root_point=bytes(32), credential="a.b.c", proof=bytes(64)),
    steps.order(SECRET, "city", "bank", "opt-out", 1, R),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_messages_survive_both_encodings(message: Message) -> None:
    assert decode(encode(message), type(message)) == message
    assert decode_json(encode_json(message), type(message)) == message


def wrong_values(value: Any) -> list[Any]:
    if isinstance(value, bytes):
        return [b"", value[:-1], value + b"x", bytes(5000), value.decode("latin1"), 1, None]
    if isinstance(value, int):
        return [-1, 1 << 53, float(value), True, str(value), None]
    if isinstance(value, str):
        return ["", "x" * 5000, value.encode(), 1, None]
    return [None, [], {}, [1], "x"]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_w1_w2_every_field_of_another_type_or_length_is_refused(message: Message) -> None:
    fields = msgspec.to_builtins(message, builtin_types=(bytes,))
    for name, value in fields.items():
        for wrong in wrong_values(value):
            if name == "box" and isinstance(wrong, bytes) and 0 < len(wrong) <= messages.MAX_BOX:
                continue
            with pytest.raises(MalformedError):
                decode(msgspec.msgpack.encode({**fields, name: wrong}), type(message))
        with pytest.raises(MalformedError):
            decode(msgspec.msgpack.encode({key: fields[key] for key in fields if key != name}), type(message))
    with pytest.raises(MalformedError):
        decode(msgspec.msgpack.encode({**fields, "more": 1}), type(message))


@pytest.mark.parametrize("name", ["bank\n", "ba\x00nk", "\ud800", "\x7f"])
def test_w6_names_that_spoil_logs_or_hashes_are_refused(name: str) -> None:
    body = json.loads(encode_json(CONSENT)) | {"holder": name}
    with pytest.raises(MalformedError):
        decode_json(json.dumps(body).encode(), messages.Consent)


def test_w6_presentations_for_too_many_holders_are_refused() -> None:
    boxes = tuple(messages.SealedConsent(holder=f"h{i}", box=b"box") for i in range(messages.MAX_HOLDERS + 1))
    with pytest.raises(MalformedError):
        decode(encode(messages.Presentation(header=HEADER, consents=boxes)), messages.Presentation)


def test_the_largest_real_messages_fit_their_limits() -> None:
    longest = "\U0001f3e6" * messages.MAX_NAME
    consent = steps.make_consent(SECRET, HEADER, "city", longest, R)
    assert len(seal(SealingKey.generate(R).public, encode(consent))) <= messages.MAX_BOX
    civil = "c" * messages.MAX_NAME
    named = steps.issue_credential(longest, civil, longest * 2, bytes(32), (1 << 53) - 1, SigningKey.generate(R))
    assert len(named) <= messages.MAX_CREDENTIAL


def test_wallet_files_round_trip_and_every_damaged_byte_is_noticed() -> None:
    stored = SECRET.to_file_bytes()
    assert len(stored) == 72
    assert steps.root_point(steps.WalletSecret.from_file_bytes(stored)) == steps.root_point(SECRET)
    for at in range(len(stored)):
        with pytest.raises(UsageError):
            steps.WalletSecret.from_file_bytes(stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :])
    for length in (0, 8, 71):
        with pytest.raises(UsageError):
            steps.WalletSecret.from_file_bytes(stored[:length])
    with pytest.raises(UsageError):
        steps.WalletSecret.from_file_bytes(stored + b"x")


def test_a8_the_wallet_secret_cannot_be_sent_shown_or_copied() -> None:
    canary = SECRET.scalar.export_secret()
    assert repr(SECRET) == str(SECRET) == "WalletSecret(<secret>)"
    for encoder in (msgspec.msgpack.encode, msgspec.json.encode):
        with pytest.raises(TypeError):
            encoder(SECRET)
    with pytest.raises(UsageError):
        copy.deepcopy(SECRET)
    assert all(canary not in encode(message) for message in EXAMPLES)


def test_h3_a_stuck_generator_makes_no_wallet() -> None:
    with pytest.raises(UsageError):
        steps.WalletSecret.generate(StuckRandomness(0))


def test_one_time_codes_are_long_and_readable() -> None:
    codes = {steps.one_time_code(R) for _ in range(20)}
    assert len(codes) == 20
    assert all(len(code) == 32 and code.isascii() and code.isalnum() for code in codes)
