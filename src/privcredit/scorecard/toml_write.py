"""Write a scorecard in the native format, so that reading it back gives an equal scorecard."""

from collections.abc import Iterable, Iterator

from privcredit.scorecard.expressions import OTHERWISE, write_expression, write_number
from privcredit.scorecard.fields import Field, Interval
from privcredit.scorecard.model import UNNAMED_HOLDER, Attribute, Characteristic, Scorecard
from privcredit.scorecard.predicates import TrueP, Value
from privcredit.scorecard.toml_format import SCORECARD_FORMAT

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def write_toml(card: Scorecard) -> str:
    """Return the native text of `card`."""
    return "\n".join([*_head(card), *_reasons(card), *_fields(card), *_characteristics(card)]) + "\n"


def _head(card: Scorecard) -> Iterator[str]:
    yield f"format = {_text(SCORECARD_FORMAT)}"
    yield f"name = {_text(card.name)}"
    yield f"version = {_text(card.version)}"
    yield f"initial_score = {write_number(card.initial_score)}"
    yield f"scale = {card.scale}"


def _reasons(card: Scorecard) -> Iterator[str]:
    if not card.use_reason_codes:
        return
    yield "\n[reason_codes]"
    yield f"algorithm = {_text(card.reason_code_algorithm)}"
    if card.baseline is not None:
        yield f"baseline = {write_number(card.baseline)}"
    yield f"baseline_method = {_text(card.baseline_method)}"


def _fields(card: Scorecard) -> Iterator[str]:
    yield "\n[fields]"
    for field in card.fields:
        details = [f"{key} = {value}" for key, value in _details(field)]
        written = f"{{ {', '.join([f'type = {_text(field.kind)}', *details])} }}" if details else _text(field.kind)
        yield f"{_text(field.name)} = {written}"


def _details(field: Field) -> Iterator[tuple[str, str]]:
    for key, values in (("valid", field.valid), ("invalid", field.invalid), ("missing", field.missing)):
        if values:
            yield key, _list(_value(value) for value in values)
    if field.intervals:
        yield "ranges", _list(_text(_range(interval)) for interval in field.intervals)
    if field.replacement is not None:
        yield "missing_as", _value(field.replacement)
    if field.treatment != "refuse":
        yield "invalid_as", _text(field.treatment)
    if field.substitute is not None:
        yield "replace_by", _value(field.substitute)
    if field.refuse_missing:
        yield "required", "true"


def _characteristics(card: Scorecard) -> Iterator[str]:
    for one in card.characteristics:
        yield "\n[[characteristics]]"
        yield f"name = {_text(one.name)}"
        yield from _characteristic(one)


def _characteristic(one: Characteristic) -> Iterator[str]:
    if one.holder != UNNAMED_HOLDER:
        yield f"holder = {_text(one.holder)}"
    if one.reason_code is not None:
        yield f"reason_code = {_text(one.reason_code)}"
    if one.baseline is not None:
        yield f"baseline = {write_number(one.baseline)}"
    yield "attributes = ["
    for attribute in one.attributes:
        yield f"  {{ {_attribute(attribute)} }},"
    yield "]"


def _attribute(attribute: Attribute) -> str:
    when = OTHERWISE if isinstance(attribute.predicate, TrueP) else write_expression(attribute.predicate)
    reason = "" if attribute.reason_code is None else f", reason_code = {_text(attribute.reason_code)}"
    return f"when = {_condition(when)}, score = {write_number(attribute.score)}{reason}"


def _condition(when: str) -> str:
    """Conditions hold double quotes, so single ones read better where TOML allows them."""
    return f"'{when}'" if '"' in when and "'" not in when and when.isprintable() else _text(when)


def _range(interval: Interval) -> str:
    low = "" if interval.low is None else write_number(interval.low)
    high = "" if interval.high is None else write_number(interval.high)
    return f"{'[' if interval.low_closed else '('}{low}, {high}{']' if interval.high_closed else ')'}"


def _list(items: Iterable[str]) -> str:
    return f"[{', '.join(items)}]"


def _value(value: Value) -> str:
    return _text(value) if isinstance(value, str) else write_number(value)


def _text(text: str) -> str:
    return '"' + "".join(_escape(character) for character in text) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() or character == " " else f"\\U{ord(character):08X}"
