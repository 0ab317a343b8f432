"""Write a scorecard as PMML 4.4, so that other programs score with it and `pmml.read_pmml` reads an equal one back.

Holders, scale and version travel as `Extension` elements, which other programs pass over.
"""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from privcredit.errors import UsageError
from privcredit.scorecard.expressions import write_number
from privcredit.scorecard.fields import Field, Interval
from privcredit.scorecard.model import UNNAMED_HOLDER, Attribute, Characteristic, Scorecard
from privcredit.scorecard.pmml import HOLDER_EXTENSION, SCALE_EXTENSION, VERSION_EXTENSION
from privcredit.scorecard.pmml_fields import CLOSURES, TREATMENT_OF
from privcredit.scorecard.pmml_predicates import OPERATORS
from privcredit.scorecard.predicates import Compare, Compound, InSet, IsMissing, Predicate, TrueP, Value

NAMESPACE = "http://www.dmg.org/PMML-4_4"
TARGET = "score"
"""Name of the predicted field, unless an input has it already."""

_OPERATOR_NAME = {sign: name for name, sign in OPERATORS.items()}
_TREATMENT_NAME = {treatment: name for name, treatment in TREATMENT_OF.items()}
_CLOSURE_NAME = {closed: name for name, closed in CLOSURES.items()}


def write_pmml(card: Scorecard) -> bytes:
    """Return the PMML 4.4 document of `card`, UTF-8, indented."""
    root = Element("PMML", {"xmlns": NAMESPACE, "version": "4.4"})
    SubElement(root, "Header", {"description": f"Scorecard {card.name}, version {card.version}"})
    target = _target(card)
    _write_dictionary(root, card, target)
    model = SubElement(root, "Scorecard", _model_attributes(card))
    _extend(model, VERSION_EXTENSION, card.version)
    _extend(model, SCALE_EXTENSION, str(card.scale))
    _write_schema(model, card, target)
    characteristics = SubElement(model, "Characteristics")
    for one in card.characteristics:
        _write_characteristic(characteristics, one)
    indent(root)
    written: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return written + b"\n"


def _target(card: Scorecard) -> str:
    names = {field.name for field in card.fields}
    return next(name for name in (TARGET + "_" * count for count in range(len(names) + 1)) if name not in names)


def _extend(parent: Element, name: str, value: str) -> None:
    SubElement(parent, "Extension", {"name": name, "value": value})


def _model_attributes(card: Scorecard) -> dict[str, str]:
    attributes = {
        "modelName": card.name,
        "functionName": "regression",
        "initialScore": write_number(card.initial_score),
        "useReasonCodes": str(card.use_reason_codes).lower(),
        "reasonCodeAlgorithm": card.reason_code_algorithm,
        "baselineMethod": card.baseline_method,
    }
    return attributes | _optional("baselineScore", card.baseline)


def _optional(name: str, value: float | None) -> dict[str, str]:
    return {} if value is None else {name: write_number(value)}


def _write_dictionary(root: Element, card: Scorecard, target: str) -> None:
    dictionary = SubElement(root, "DataDictionary", {"numberOfFields": str(len(card.fields) + 1)})
    for field in card.fields:
        optype = "continuous" if field.kind in {"integer", "double"} else "categorical"
        data = SubElement(dictionary, "DataField", {"name": field.name, "optype": optype, "dataType": field.kind})
        for interval in field.intervals:
            _write_interval(data, interval)
        for role, values in (("valid", field.valid), ("invalid", field.invalid), ("missing", field.missing)):
            for value in values:
                SubElement(data, "Value", {"value": _literal(value), "property": role})
    SubElement(dictionary, "DataField", {"name": target, "optype": "continuous", "dataType": "double"})


def _write_interval(data: Element, interval: Interval) -> None:
    ends = _optional("leftMargin", interval.low) | _optional("rightMargin", interval.high)
    closure = _CLOSURE_NAME[interval.low_closed, interval.high_closed]
    SubElement(data, "Interval", {"closure": closure, **ends})


def _write_schema(model: Element, card: Scorecard, target: str) -> None:
    schema = SubElement(model, "MiningSchema")
    for field in card.fields:
        SubElement(schema, "MiningField", _mining_attributes(field))
    SubElement(schema, "MiningField", {"name": target, "usageType": "target"})


def _mining_attributes(field: Field) -> dict[str, str]:
    attributes = {"name": field.name, "invalidValueTreatment": _TREATMENT_NAME[field.treatment]}
    if field.substitute is not None:
        attributes["invalidValueReplacement"] = _literal(field.substitute)
    if field.replacement is not None:
        attributes["missingValueReplacement"] = _literal(field.replacement)
    if field.refuse_missing:
        attributes["missingValueTreatment"] = "returnInvalid"
    return attributes


def _write_characteristic(parent: Element, one: Characteristic) -> None:
    reason = {} if one.reason_code is None else {"reasonCode": one.reason_code}
    element = SubElement(
        parent, "Characteristic", {"name": one.name, **reason, **_optional("baselineScore", one.baseline)}
    )
    if one.holder != UNNAMED_HOLDER:
        _extend(element, HOLDER_EXTENSION, one.holder)
    for attribute in one.attributes:
        _write_attribute(element, attribute)


def _write_attribute(parent: Element, attribute: Attribute) -> None:
    reason = {} if attribute.reason_code is None else {"reasonCode": attribute.reason_code}
    element = SubElement(parent, "Attribute", {"partialScore": write_number(attribute.score), **reason})
    _write_predicate(element, attribute.predicate)


def _write_predicate(parent: Element, predicate: Predicate) -> None:
    if isinstance(predicate, Compound):
        compound = SubElement(parent, "CompoundPredicate", {"booleanOperator": predicate.op})
        for part in predicate.parts:
            _write_predicate(compound, part)
    elif isinstance(predicate, InSet):
        _write_set(parent, predicate)
    elif isinstance(predicate, Compare | IsMissing):
        SubElement(parent, "SimplePredicate", _simple_attributes(predicate))
    else:
        SubElement(parent, "True" if isinstance(predicate, TrueP) else "False")


def _simple_attributes(predicate: Compare | IsMissing) -> dict[str, str]:
    if isinstance(predicate, IsMissing):
        return {"field": predicate.field, "operator": "isNotMissing" if predicate.negate else "isMissing"}
    operator = _OPERATOR_NAME[predicate.op]
    return {"field": predicate.field, "operator": operator, "value": _literal(predicate.value)}


def _write_set(parent: Element, predicate: InSet) -> None:
    operator = "isNotIn" if predicate.negate else "isIn"
    element = SubElement(parent, "SimpleSetPredicate", {"field": predicate.field, "booleanOperator": operator})
    array = SubElement(element, "Array", {"n": str(len(predicate.values)), "type": _array_type(predicate.values)})
    array.text = " ".join(_item(value) for value in predicate.values)


def _array_type(values: Iterable[Value]) -> str:
    if any(isinstance(value, str) for value in values):
        return "string"
    return "int" if all(isinstance(value, int) for value in values) else "real"


def _item(value: Value) -> str:
    if not isinstance(value, str):
        return write_number(value)
    if value.endswith("\\") or '\\"' in value:
        raise UsageError(f"The value {value!r} cannot stand in a PMML Array; write the condition without a list.")
    return '"' + value.replace('"', '\\"') + '"'


def _literal(value: Value) -> str:
    return value if isinstance(value, str) else write_number(value)
