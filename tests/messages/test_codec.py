"""Strict, bounded decoding: threats.md W6, W3."""

import json
import time

import msgspec
import pytest

from privcredit.messages.codec import (
    MAX_EXPLAINED,
    MAX_MESSAGE_BYTES,
    MalformedError,
    Message,
    decode,
    decode_json,
    encode,
    encode_json,
)
from privcredit.protocols.consent.messages import Presentation, SealedConsent


class Inner(Message, frozen=True, kw_only=True):
    name: str
    data: bytes


class Outer(Message, frozen=True, kw_only=True):
    number: int
    inner: Inner
    many: tuple[int, ...] = ()


GOOD = Outer(number=7, inner=Inner(name="café 😀", data=b"\x00\xff"), many=(1, 2))


def refuse_json(data: bytes, kind: type = Outer) -> str:
    with pytest.raises(MalformedError) as caught:
        decode_json(data, kind)
    assert len(str(caught.value)) <= MAX_EXPLAINED + 100
    return str(caught.value)


def with_number(literal: str) -> bytes:
    return encode_json(GOOD).replace(b'"number":7', b'"number":' + literal.encode())


def test_both_forms_give_back_what_was_encoded() -> None:
    assert decode(encode(GOOD), Outer) == GOOD
    assert decode_json(encode_json(GOOD), Outer) == GOOD
    assert decode_json(json.dumps(json.loads(encode_json(GOOD)), indent=2).encode(), Outer) == GOOD


# --- JSON ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "literal", ["7.0", "7e0", "true", '"7"', "null", "[7]", "NaN", "Infinity", "-Infinity", "07", "+7", "0x7"]
)
def test_w6_whatever_is_not_an_integer_is_refused(literal: str) -> None:
    refuse_json(with_number(literal))


def test_w6_a_million_digits_are_refused_at_once() -> None:
    started = time.process_time()
    refuse_json(with_number("9" * 1_000_000))
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "text",
    [
        '{"number":7,"number":7,"inner":{"name":"a","data":""}}',
        '{"number":7,"inner":{"name":"a","data":"","name":"b"}}',
        '{"number":7,"inner":{"name":"a","data":""},"\\u006eumber":8}',
    ],
    ids=["outside", "inside", "spelt with an escape"],
)
def test_w6_a_key_twice_is_refused_and_named(text: str) -> None:
    assert "twice" in refuse_json(text.encode())


def test_w6_an_unknown_field_is_refused() -> None:
    assert "extra" in refuse_json(b'{"number":7,"inner":{"name":"a","data":""},"extra":1}')
    assert "extra" in refuse_json(b'{"number":7,"inner":{"name":"a","data":"","extra":1}}')


def test_w6_a_missing_field_is_refused() -> None:
    assert "inner" in refuse_json(b'{"number":7}')


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_w6_deep_nesting_is_refused_within_milliseconds(opening: str) -> None:
    started = time.process_time()
    refuse_json((opening * (MAX_MESSAGE_BYTES // len(opening) - 1)).encode())
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("tail", [b"x", b"{}", b"\x00", b","])
def test_w6_bytes_after_the_value_are_refused(tail: bytes) -> None:
    refuse_json(encode_json(GOOD) + tail)


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES + 1, 20 * MAX_MESSAGE_BYTES])
def test_w6_an_oversized_body_is_refused_unread(size: int) -> None:
    started = time.process_time()
    assert "over the limit" in refuse_json(b" " * size)
    assert time.process_time() - started < 0.05


def test_w6_the_limit_itself_is_allowed() -> None:
    body = encode_json(GOOD)
    assert decode_json(body + b" " * (MAX_MESSAGE_BYTES - len(body)), Outer) == GOOD


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00", "\\uDBFF", "a\\ud83d", "\\ude00\\ud83d", "\\ud83dx\\ude00"])
def test_w6_half_a_character_is_refused(text: str) -> None:
    """JSON can spell it, but it cannot be encoded: it would fail later, far from whoever sent it."""
    body = encode_json(GOOD).decode().replace("café 😀", text)
    refuse_json(body.encode())
    refuse_json(f'{{"{text}":1}}'.encode())
    refuse_json(f'["{text}"]'.encode(), list)


def test_w6_both_halves_together_are_a_character() -> None:
    body = encode_json(GOOD).decode().replace("café 😀", "\\ud83d\\uDE00 \\\\ud800")
    assert decode_json(body.encode(), Outer).inner.name == "😀 \\ud800"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "utf-16-le", "latin-1"])
def test_w6_json_is_utf_8_and_nothing_else(encoding: str) -> None:
    refuse_json(encode_json(GOOD).decode().encode(encoding, "replace"))


def test_w6_an_encoded_surrogate_is_refused() -> None:
    refuse_json(encode_json(GOOD).replace("café".encode(), b"\xed\xa0\x80"))


@pytest.mark.parametrize("text", ["", "null", "7", '"text"', "[]", "{", "}", "nul", "'a'", "{a:1}", "[1,]"])
def test_w6_what_is_no_such_object_is_refused(text: str) -> None:
    refuse_json(text.encode())


@pytest.mark.parametrize("data", ["%%%", "AA=A", "A", "AAA", "AA==AA=="])
def test_w6_bytes_travel_as_canonical_base64(data: str) -> None:
    refuse_json(f'{{"number":7,"inner":{{"name":"a","data":"{data}"}}}}'.encode())


def test_errors_quote_little_of_what_was_sent() -> None:
    long = "k" * 100_000
    assert long[:MAX_EXPLAINED] not in refuse_json(f'{{"number":7,"{long}":1}}'.encode())[:50]


# --- msgpack ---------------------------------------------------------------------------------------------------------


def refuse(data: bytes, kind: type = Outer) -> None:
    with pytest.raises(MalformedError):
        decode(data, kind)


def test_w6_bytes_after_a_packed_message_are_refused() -> None:
    for tail in (b"\x00", b"\xc0", encode(GOOD)):
        refuse(encode(GOOD) + tail)


def test_w6_a_packed_message_that_ends_early_is_refused() -> None:
    data = encode(GOOD)
    for length in range(len(data)):
        refuse(data[:length])


def test_w6_another_spelling_of_the_same_message_is_refused() -> None:
    """Whatever would not encode to the same bytes: another order, wide integers, keys twice, a default left out."""
    plain = msgspec.to_builtins(GOOD, builtin_types=(bytes,))
    reordered = {name: plain[name] for name in reversed(plain)}
    refuse(msgspec.msgpack.encode(reordered))
    without = {name: value for name, value in plain.items() if name != "many"}
    refuse(msgspec.msgpack.encode(without))
    data = encode(GOOD)
    refuse(data.replace(b"\xa6number\x07", b"\xa6number\xcc\x07"))
    refuse(data.replace(b"\xa6number\x07", b"\xa6number\x07\xa6number\x07").replace(b"\x83\xa6", b"\x84\xa6", 1))


@pytest.mark.parametrize("value", [7.0, True, "7", None, b"7", -(2**63), 2**64 - 1])
def test_w6_a_packed_field_has_its_type(value: object) -> None:
    data = msgspec.msgpack.encode({"number": value, "inner": {"name": "a", "data": b""}, "many": []})
    if isinstance(value, int) and not isinstance(value, bool):
        assert decode(data, Outer).number == value
    else:
        refuse(data)


def test_w6_deeply_packed_lists_are_refused() -> None:
    refuse(b"\x91" * (MAX_MESSAGE_BYTES - 1), list)


def test_w6_an_oversized_packed_message_is_refused_unread() -> None:
    started = time.process_time()
    refuse(b"\x91" * (MAX_MESSAGE_BYTES + 1))
    assert time.process_time() - started < 0.05


def test_w6_lengths_are_part_of_the_types() -> None:
    for box in (b"", bytes(1025)):
        refuse(msgspec.msgpack.encode({"holder": "bank", "box": box}), SealedConsent)
    too_many = {"header": {}, "consents": [{"holder": "bank", "box": b"x"}] * 65}
    refuse(msgspec.msgpack.encode(too_many), Presentation)


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        GOOD.number = 8
