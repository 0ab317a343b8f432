"""Conditions as people write them: `age > 18 and age <= 29`, `department in ("a", "b")`, `income is missing`.

Grammar, loosest first: `or`, `xor`, `and`, then `field op value`, `field [not] in (...)`, `field is [not] missing`,
`true`, `false`, `otherwise` (true, as the last resort), `surrogate(a, b, ...)`, and parentheses. Field names that are
not plain words stand in backquotes; texts stand in double quotes, where a backslash keeps the next character.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from privcredit.errors import UsageError
from privcredit.scorecard.checks import MAX_NESTING
from privcredit.scorecard.fields import TEXT_KINDS, Field
from privcredit.scorecard.predicates import (
    COMPARISONS,
    Compare,
    Comparison,
    Compound,
    Connective,
    FalseP,
    InSet,
    IsMissing,
    Predicate,
    TrueP,
    Value,
)

T = TypeVar("T")

OTHERWISE = "otherwise"
RESERVED = frozenset({"and", "or", "xor", "not", "in", "is", "missing", "true", "false", OTHERWISE, "surrogate"})
LEVELS: tuple[Connective, ...] = ("or", "xor", "and")
_OPERATORS: Mapping[str, Comparison] = {"==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

_LEXER = re.compile(
    r"""\s*(?:
    (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<word>[^\W\d]\w*)
    | `(?P<name>[^`]+)`
    | "(?P<text>(?:[^"\\]|\\.)*)"
    | (?P<sign>==|!=|<=|>=|<|>|\(|\)|,)
    )""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """One word of a condition, its kind and where it starts."""

    kind: str
    text: str
    position: int


class ExpressionError(UsageError):
    """A condition that cannot be read; the sentence quotes it and says what was expected."""


def parse_expression(text: str, fields: Mapping[str, Field]) -> Predicate:
    """Return the condition in `text` over the declared `fields`. Raises ExpressionError."""
    return _Parser(text, fields).parse()


class _Parser:
    """Recursive descent over one condition."""

    def __init__(self, text: str, fields: Mapping[str, Field]) -> None:
        self._text = text
        self._fields = fields
        self._tokens = self._lex()
        self._next = 0

    def parse(self) -> Predicate:
        predicate = self._level(0, MAX_NESTING)
        if self._peek().kind != "end":
            raise self._expected("`and`, `or`, `xor` or the end")
        return predicate

    def _lex(self) -> list[Token]:
        tokens, position, end = [], 0, len(self._text.rstrip())
        while position < end:
            match = _LEXER.match(self._text, position)
            if match is None or match.lastgroup is None:
                start = end - len(self._text[position:end].lstrip()) + 1
                raise ExpressionError(f"the condition {self._text!r} cannot be read from character {start} on")
            tokens.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            position = match.end()
        return [*tokens, Token("end", "", end)]

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _accept(self, word: str) -> bool:
        token = self._peek()
        if token.kind in {"word", "sign"} and token.text == word:
            self._next += 1
            return True
        return False

    def _demand(self, word: str) -> None:
        if not self._accept(word):
            raise self._expected(f"`{word}`")

    def _expected(self, what: str) -> ExpressionError:
        found = self._peek().text or "the end"
        where = self._peek().position + 1
        problem = f"has {found!r} at character {where} where {what} is expected"
        return ExpressionError(f"the condition {self._text!r} {problem}")

    def _level(self, level: int, depth: int) -> Predicate:
        if depth == 0:
            raise ExpressionError(f"a condition is nested deeper than {MAX_NESTING} levels; simplify it")
        if level == len(LEVELS):
            return self._atom(depth)
        parts = [self._level(level + 1, depth)]
        while self._accept(LEVELS[level]):
            parts.append(self._level(level + 1, depth))
        return parts[0] if len(parts) == 1 else Compound(LEVELS[level], tuple(parts))

    def _atom(self, depth: int) -> Predicate:
        if self._accept("("):
            inner = self._level(0, depth - 1)
            self._demand(")")
            return inner
        if self._accept("surrogate"):
            self._demand("(")
            return Compound("surrogate", tuple(self._list(lambda: self._level(0, depth - 1))))
        if self._accept("true") or self._accept(OTHERWISE):
            return TrueP()
        return FalseP() if self._accept("false") else self._test(self._field())

    def _field(self) -> Field:
        token = self._peek()
        if token.kind != "name" and (token.kind != "word" or token.text in RESERVED):
            raise self._expected("a field")
        if token.text not in self._fields:
            raise ExpressionError(f"the condition {self._text!r} reads {token.text!r}, which [fields] does not declare")
        return self._fields[self._take().text]

    def _test(self, field: Field) -> Predicate:
        if self._accept("is"):
            negate = self._accept("not")
            self._demand("missing")
            return IsMissing(field.name, negate)
        negate = self._accept("not")
        if negate or self._peek().text == "in":
            self._demand("in")
            self._demand("(")
            return InSet(field.name, tuple(self._list(lambda: self._value(field))), negate)
        operator = _OPERATORS.get(self._peek().text) if self._peek().kind == "sign" else None
        if operator is None:
            raise self._expected(f"one of {' '.join(COMPARISONS)}, `in`, `is missing`")
        self._take()
        return Compare(field.name, operator, self._value(field))

    def _value(self, field: Field) -> Value:
        token = self._peek()
        if field.kind in TEXT_KINDS:
            boolean = field.kind == "boolean" and token.text in {"true", "false"}
            if token.kind != "text" and not boolean:
                raise self._expected('a text in double quotes, such as "none",')
            return re.sub(r"\\(.)", r"\1", self._take().text, flags=re.DOTALL)
        if token.kind != "number":
            raise self._expected("a number")
        number = float(self._take().text)
        return int(number) if field.kind == "integer" and number.is_integer() else number

    def _list(self, item: Callable[[], T]) -> list[T]:
        if self._accept(")"):
            return []
        items = [item()]
        while self._accept(","):
            items.append(item())
        self._demand(")")
        return items


def write_expression(predicate: Predicate) -> str:
    """Return the condition as text that `parse_expression` reads back as the same condition."""
    if isinstance(predicate, Compound):
        return _write_compound(predicate)
    if isinstance(predicate, Compare):
        return f"{_name(predicate.field)} {predicate.op} {_literal(predicate.value)}"
    if isinstance(predicate, IsMissing):
        return f"{_name(predicate.field)} is {'not ' if predicate.negate else ''}missing"
    if isinstance(predicate, InSet):
        values = ", ".join(_literal(value) for value in predicate.values)
        return f"{_name(predicate.field)} {'not ' if predicate.negate else ''}in ({values})"
    return "true" if isinstance(predicate, TrueP) else "false"


def _write_compound(predicate: Compound) -> str:
    if predicate.op == "surrogate":
        return f"surrogate({', '.join(write_expression(part) for part in predicate.parts)})"
    return f" {predicate.op} ".join(_bracketed(part) for part in predicate.parts)


def _bracketed(part: Predicate) -> str:
    plain = not isinstance(part, Compound) or part.op == "surrogate"
    return write_expression(part) if plain else f"({write_expression(part)})"


def _name(field: str) -> str:
    return field if re.fullmatch(r"[^\W\d]\w*", field) and field not in RESERVED else f"`{field}`"


def _literal(value: Value) -> str:
    if isinstance(value, str):
        return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
    return write_number(value)


def write_number(value: float) -> str:
    """Return a number in the shortest form that reads back as the same double; whole ones without a point."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))  # noqa: PLR2004
