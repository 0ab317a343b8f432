"""PMML's DataDictionary and MiningSchema as fields (PMML 4.4, "Data Dictionary", "Mining Schema")."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from privcredit.scorecard.fields import Field, Interval, Kind, Treatment, parse
from privcredit.scorecard.pmml_xml import Node
from privcredit.scorecard.predicates import Value

KIND_OF: Mapping[str, Kind] = {
    "string": "string",
    "integer": "integer",
    "double": "double",
    "float": "double",
    "boolean": "boolean",
}
TREATMENT_OF: Mapping[str, Treatment] = {
    "returnInvalid": "refuse",
    "asMissing": "missing",
    "asIs": "keep",
    "asValue": "replace",
}
CLOSURES: Mapping[str, tuple[bool, bool]] = {
    "openOpen": (False, False),
    "openClosed": (False, True),
    "closedOpen": (True, False),
    "closedClosed": (True, True),
}
ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class InputFields:
    """The active fields of a model, and why other names cannot be used in a condition."""

    fields: Mapping[str, Field]
    unusable: Mapping[str, str]

    def need(self, node: Node) -> Field:
        """Return the field that a predicate names; raises UsageError with the reason if it cannot be used."""
        name = node.need("field")
        if name in self.fields:
            return self.fields[name]
        raise node.error(self.unusable.get(name, "reads a field that the DataDictionary does not declare; declare it"))


def read_fields(root: Node, model: Node) -> InputFields:
    """Return the fields that `model` may read."""
    declared = {node.need("name"): node for node in root.descendants("DataField")}
    fields: dict[str, Field] = {}
    unusable = dict.fromkeys(declared, "reads a field that is no active MiningField; add it to the MiningSchema")
    unusable |= _derived(root, model)
    for mining in (field for schema in model.children("MiningSchema") for field in schema.children("MiningField")):
        name = mining.need("name")
        if mining.get("usageType") not in (None, ACTIVE) or name not in declared:
            continue
        kind = KIND_OF.get(declared[name].need("dataType"))
        if kind is None:
            unusable[name] = (
                f"reads a field of type {declared[name].get('dataType')!r}; turn it into a number or a text"
            )
        else:
            fields[name] = _field(declared[name], mining, kind)
    return InputFields(fields, unusable)


def _derived(root: Node, model: Node) -> dict[str, str]:
    """Derived fields are tolerated until a condition reads one."""
    nodes = [*root.children("TransformationDictionary"), *model.children("LocalTransformations")]
    names = (field.need("name") for node in nodes for field in node.descendants("DerivedField"))
    return dict.fromkeys(names, "reads a DerivedField, which is not supported; compute it beforehand as a column")


def _field(data: Node, mining: Node, kind: Kind) -> Field:
    refuse_missing = mining.get("missingValueTreatment") == "returnInvalid"
    replacement = mining.get("missingValueReplacement")
    values = _values(data, kind)
    return Field(
        name=data.need("name"),
        kind=kind,
        missing=tuple(values["missing"]),
        valid=tuple(values["valid"]),
        invalid=tuple(values["invalid"]),
        intervals=tuple(_interval(node) for node in data.children("Interval")),
        replacement=None
        if replacement is None or refuse_missing
        else _literal(mining, kind, "missingValueReplacement"),
        refuse_missing=refuse_missing,
        **_treatment(mining, kind),
    )


def _literal(node: Node, kind: Kind, attribute: str) -> Value:
    return node.literal(kind, node.need(attribute), attribute)


def _values(data: Node, kind: Kind) -> dict[str, list[Value]]:
    values: dict[str, list[Value]] = {"valid": [], "invalid": [], "missing": []}
    for node in data.children("Value"):
        role = node.get("property") or "valid"
        if role not in values:
            raise node.error(f"has property {role!r}; PMML knows valid, invalid and missing")
        text = node.need("value")
        foreign_marker = role == "missing" and parse(kind, text) is None  # such as NA in a numeric column
        values[role].append(text if foreign_marker else node.literal(kind, text, "value"))
    return values


def _treatment(mining: Node, kind: Kind) -> dict[str, Any]:
    _refuse_outliers(mining)
    written = mining.get("invalidValueTreatment") or "returnInvalid"
    treatment = TREATMENT_OF.get(written)
    if treatment is None:
        raise mining.error(f"has invalidValueTreatment {written!r}; PMML knows {', '.join(TREATMENT_OF)}")
    if treatment != "replace":
        return {"treatment": treatment}
    return {"treatment": treatment, "substitute": _literal(mining, kind, "invalidValueReplacement")}


def _refuse_outliers(mining: Node) -> None:
    if mining.get("outliers") not in (None, "asIs"):
        raise mining.error(
            f"treats outliers {mining.get('outliers')!r}, which is not supported; clip the column beforehand"
        )


def _interval(node: Node) -> Interval:
    closed = CLOSURES.get(node.need("closure"))
    if closed is None:
        raise node.error(f"has closure {node.get('closure')!r}; PMML knows {', '.join(CLOSURES)}")
    return Interval(node.number("leftMargin"), node.number("rightMargin"), *closed)
