"""A second reading of PMML scorecards, straight from the XML with ordinary floats: shares no code with the product."""

from typing import Any
from xml.etree import ElementTree as ET

NS = "{http://www.dmg.org/PMML-4_4}"


class InvalidResult(Exception):  # noqa: N818 - PMML's own word
    pass


def evaluate(document: bytes, cells: dict[str, str]) -> tuple[float, list[str]]:
    """Return (score, ranked reason codes) or raise InvalidResult."""
    root = ET.fromstring(document)  # noqa: S314 - written by the test itself
    model = root.find(f"{NS}Scorecard")
    values = _inputs(root, model, cells)
    score = float(model.get("initialScore", "0"))
    lost: dict[str, float] = {}
    for characteristic in model.find(f"{NS}Characteristics").findall(f"{NS}Characteristic"):
        chosen = None
        for attribute in characteristic.findall(f"{NS}Attribute"):
            predicate = next(child for child in attribute if child.tag != f"{NS}Extension")
            if _truth(predicate, values) == "T":
                chosen = attribute
                break
        if chosen is None:
            raise InvalidResult
        partial = float(chosen.get("partialScore"))
        score += partial
        code = chosen.get("reasonCode") or characteristic.get("reasonCode")
        baseline = float(characteristic.get("baselineScore") or model.get("baselineScore") or "nan")
        above = model.get("reasonCodeAlgorithm") == "pointsAbove"
        lost[code] = lost.get(code, 0.0) + (partial - baseline if above else baseline - partial)
    if model.get("useReasonCodes") == "false":
        return score, []
    order = list(lost)
    ranked = [code for code in order if round(lost[code], 9) >= 0]
    return score, sorted(ranked, key=lambda code: (-round(lost[code], 9), order.index(code)))


def _inputs(root: Any, model: Any, cells: Any) -> Any:
    kinds = {field.get("name"): field for field in root.iter(f"{NS}DataField")}
    values = {}
    for mining in model.iter(f"{NS}MiningField"):
        if mining.get("usageType", "active") == "active":
            values[mining.get("name")] = _input(kinds[mining.get("name")], mining, cells[mining.get("name")])
    return values


def _input(data: Any, mining: Any, cell: Any) -> Any:
    kind = data.get("dataType")
    marks = {
        role: [v.get("value") for v in data.findall(f"{NS}Value") if v.get("property", "valid") == role]
        for role in ("valid", "invalid", "missing")
    }
    if cell == "" or _listed(kind, cell, marks["missing"]):
        return _missing(kind, mining)
    good = _typed(kind, cell) is not None and not _listed(kind, cell, marks["invalid"])
    if good and (marks["valid"] or data.findall(f"{NS}Interval")):
        good = _listed(kind, cell, marks["valid"]) or any(
            _inside(interval, _typed(kind, cell)) for interval in data.findall(f"{NS}Interval")
        )
    if good:
        return _typed(kind, cell)
    treatment = mining.get("invalidValueTreatment", "returnInvalid")
    if treatment == "asMissing":
        return _missing(kind, mining)
    if treatment == "asValue":
        return _typed(kind, mining.get("invalidValueReplacement"))
    if treatment == "asIs" and _typed(kind, cell) is not None:
        return _typed(kind, cell)
    raise InvalidResult


def _missing(kind: str, mining: Any) -> Any:
    if mining.get("missingValueTreatment") == "returnInvalid":
        raise InvalidResult
    return _typed(kind, mining.get("missingValueReplacement"))


def _listed(kind: str, cell: Any, texts: Any) -> Any:
    return cell in texts or (
        _typed(kind, cell) is not None and _typed(kind, cell) in [_typed(kind, text) for text in texts]
    )


def _typed(kind: str, text: str) -> Any:
    if text is None:
        return None
    if kind in ("string", "boolean"):
        return text
    try:
        number = float(text)
    except ValueError:
        return None
    return None if kind == "integer" and number != int(number) else number


def _inside(interval: Any, number: Any) -> Any:
    left, right = interval.get("leftMargin"), interval.get("rightMargin")
    closure = interval.get("closure")
    if left is not None and not (number > float(left) or (closure.startswith("closed") and number == float(left))):
        return False
    return right is None or number < float(right) or (closure.endswith("Closed") and number == float(right))


def _truth(node: Any, values: Any) -> Any:
    """One of T, F, U."""
    name = node.tag.removeprefix(NS)
    if name in ("True", "False"):
        return name[0]
    if name == "CompoundPredicate":
        return _compound(node.get("booleanOperator"), [_truth(child, values) for child in node])
    value = values[node.get("field")]
    if name == "SimplePredicate":
        return _simple(node, value)
    if value is None:
        return "U"
    array = node.find(f"{NS}Array")
    found = value in [float(item) if not isinstance(value, str) else item for item in _split(array.text or "")]
    return "T" if found == (node.get("booleanOperator") == "isIn") else "F"


def _split(text: str) -> Any:
    items, current, quoted, started, position = [], "", False, False, 0
    while position < len(text):
        character = text[position]
        if character == "\\" and text[position + 1 : position + 2] == '"':
            current, position = current + '"', position + 1
        elif character == '"':
            quoted, started = not quoted, True
        elif character.isspace() and not quoted:
            items, current, started = items + ([current] if current or started else []), "", False
        else:
            current += character
        position += 1
    return items + ([current] if current or started else [])


def _simple(node: Any, value: Any) -> Any:
    operator = node.get("operator")
    if operator in ("isMissing", "isNotMissing"):
        return "T" if (value is None) == (operator == "isMissing") else "F"
    if value is None:
        return "U"
    other = node.get("value") if isinstance(value, str) else float(node.get("value"))
    result = {
        "equal": lambda: value == other,
        "notEqual": lambda: value != other,
        "lessThan": lambda: value < other,
        "lessOrEqual": lambda: value <= other,
        "greaterThan": lambda: value > other,
        "greaterOrEqual": lambda: value >= other,
    }[operator]()
    return "T" if result else "F"


def _compound(operator: str, parts: Any) -> Any:
    if operator == "surrogate":
        return next((part for part in parts if part != "U"), "U")
    if operator == "xor":
        return "U" if "U" in parts else "TF"[parts.count("T") % 2 == 0]
    decisive = "F" if operator == "and" else "T"
    if decisive in parts:
        return decisive
    return "U" if "U" in parts else {"F": "T", "T": "F"}[decisive]
