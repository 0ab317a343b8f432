"""PMML's predicates as conditions (PMML 4.4, "Tree Models", section on predicates)."""

from collections.abc import Mapping

from privcredit.scorecard.checks import MAX_NESTING
from privcredit.scorecard.pmml_fields import InputFields
from privcredit.scorecard.pmml_xml import Node, array_items
from privcredit.scorecard.predicates import (
    CONNECTIVES,
    Compare,
    Comparison,
    Compound,
    Connective,
    FalseP,
    InSet,
    IsMissing,
    Predicate,
    TrueP,
)

OPERATORS: Mapping[str, Comparison] = {
    "equal": "==",
    "notEqual": "!=",
    "lessThan": "<",
    "lessOrEqual": "<=",
    "greaterThan": ">",
    "greaterOrEqual": ">=",
}
PREDICATES = ("SimplePredicate", "SimpleSetPredicate", "CompoundPredicate", "True", "False")


def read_predicate(parent: Node, inputs: InputFields) -> Predicate:
    """Return the one predicate of `parent`, an Attribute."""
    found = parent.children(*PREDICATES)
    if len(found) != 1:
        raise parent.error(f"has {len(found)} predicates; PMML requires one")
    return _predicate(found[0], inputs, MAX_NESTING)


def _predicate(node: Node, inputs: InputFields, depth: int) -> Predicate:
    if depth == 0:
        raise node.error(f"nests predicates deeper than {MAX_NESTING} levels; simplify it")
    if node.name == "SimplePredicate":
        return _simple(node, inputs)
    if node.name == "SimpleSetPredicate":
        return _set(node, inputs)
    if node.name == "CompoundPredicate":
        return _compound(node, inputs, depth)
    return TrueP() if node.name == "True" else FalseP()


def _simple(node: Node, inputs: InputFields) -> Predicate:
    field, operator = inputs.need(node), node.need("operator")
    if operator in {"isMissing", "isNotMissing"}:
        return IsMissing(field.name, negate=operator == "isNotMissing")
    if operator not in OPERATORS:
        raise node.error(f"has operator {operator!r}; PMML knows {', '.join(OPERATORS)}, isMissing, isNotMissing")
    return Compare(field.name, OPERATORS[operator], node.literal(field.kind, node.need("value"), "value"))


def _set(node: Node, inputs: InputFields) -> Predicate:
    field, operator, array = inputs.need(node), node.need("booleanOperator"), node.child("Array")
    if operator not in {"isIn", "isNotIn"}:
        raise node.error(f"has booleanOperator {operator!r}; PMML knows isIn and isNotIn")
    if array is None:
        raise node.error("has no Array; PMML requires one")
    values = tuple(node.literal(field.kind, item, "item") for item in array_items(array))
    return InSet(field.name, values, negate=operator == "isNotIn")


def _compound(node: Node, inputs: InputFields, depth: int) -> Predicate:
    parts = tuple(_predicate(child, inputs, depth - 1) for child in node.children(*PREDICATES))
    if not parts:
        raise node.error("joins no predicate; PMML requires two")
    return parts[0] if len(parts) == 1 else Compound(_connective(node), parts)


def _connective(node: Node) -> Connective:
    written = node.need("booleanOperator")
    for connective in CONNECTIVES:
        if connective == written:
            return connective
    raise node.error(f"has booleanOperator {written!r}; PMML knows {', '.join(CONNECTIVES)}")
