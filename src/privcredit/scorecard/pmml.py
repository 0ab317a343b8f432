"""Scorecards from PMML 4.0 to 4.4 (dmg.org, "Scorecard"): what it says is computed as it says, all else is refused.

Refused, each with its reason: other models, ComplexPartialScore, conditions on derived fields, treatment of outliers,
rescaled targets. Ignored, because it cannot change the score: Output, statistics, verification, explanations.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from privcredit.errors import UsageError
from privcredit.scorecard.model import (
    UNNAMED_HOLDER,
    Attribute,
    Characteristic,
    ReasonCodeAlgorithm,
    Scorecard,
    choose_scale,
)
from privcredit.scorecard.pmml_fields import InputFields, read_fields
from privcredit.scorecard.pmml_predicates import read_predicate
from privcredit.scorecard.pmml_xml import Node, read_root

NOT_MODELS = frozenset({"Header", "MiningBuildTask", "DataDictionary", "TransformationDictionary"})
HOLDER_EXTENSION = "privcredit:holder"
SCALE_EXTENSION = "privcredit:scale"
VERSION_EXTENSION = "privcredit:version"
ALGORITHMS: Mapping[str, ReasonCodeAlgorithm] = {"pointsBelow": "pointsBelow", "pointsAbove": "pointsAbove"}
NEUTRAL_TARGET: Mapping[str, float] = {"rescaleFactor": 1.0, "rescaleConstant": 0.0}


def read_pmml(path: Path, holders: Mapping[str, str] | None = None, scale: int | None = None) -> Scorecard:
    """Return the scorecard in a PMML file.

    holders: the holder of each characteristic by name, over what the file says; without either the holder is unnamed.
    scale: points per unit of score; by default what the file says, else what makes the scores whole.
    Raises UsageError: one sentence that names the file and the element.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    return parse_pmml(data, str(path), holders, scale)


def parse_pmml(
    data: bytes, where: str, holders: Mapping[str, str] | None = None, scale: int | None = None
) -> Scorecard:
    """Return the scorecard in PMML bytes; `where` names them in refusals. See `read_pmml`."""
    root = read_root(data, where)
    model = _only_scorecard(root)
    _refuse_unscorable(model)
    inputs = read_fields(root, model)
    characteristics = _characteristics(model, inputs, holders or {})
    initial = model.number("initialScore") or 0.0
    scores = [initial, *(attribute.score for one in characteristics for attribute in one.attributes)]
    try:
        return Scorecard(
            name=model.get("modelName") or "scorecard",
            version=model.extension(VERSION_EXTENSION) or "1",
            fields=tuple(inputs.fields.values()),
            characteristics=characteristics,
            initial_score=initial,
            scale=scale or _written_scale(model) or choose_scale(scores),
            **_reasons(model, characteristics),
        )
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _only_scorecard(root: Node) -> Node:
    models = [node for node in root.children() if node.name not in NOT_MODELS]
    if len(models) != 1:
        names = ", ".join(node.name for node in models) or "none"
        raise root.error(f"must hold exactly one model and holds {len(models)} ({names}); keep the Scorecard alone")
    if models[0].name != "Scorecard":
        raise root.error(f"holds a {models[0].name}; only a Scorecard can be read")
    return models[0].named(f"{root.where}, Scorecard")


def _refuse_unscorable(model: Node) -> None:
    if model.flag("isScorable") is False:
        raise model.error("says isScorable=false; its results are not meant to be used")
    if model.get("functionName") not in (None, "regression"):
        raise model.error(f"has functionName {model.get('functionName')!r}; a scorecard is a regression")
    for target in (target for targets in model.children("Targets") for target in targets.children("Target")):
        changed = [name for name, neutral in NEUTRAL_TARGET.items() if target.number(name) not in (None, neutral)]
        changed += [name for name in ("min", "max", "castInteger") if target.get(name) is not None]
        if changed:
            raise target.error(f"changes the score by {changed[0]}, which is not supported; apply it to the scores")


def _written_scale(model: Node) -> int | None:
    written = model.extension(SCALE_EXTENSION)
    return None if written is None else int(model.literal("integer", written, SCALE_EXTENSION))


def _characteristics(model: Node, inputs: InputFields, holders: Mapping[str, str]) -> tuple[Characteristic, ...]:
    outer = model.child("Characteristics")
    nodes = outer.children("Characteristic") if outer else []
    if not nodes:
        raise model.error("has no Characteristic; PMML requires one")
    names = _names(nodes)
    unknown = sorted(set(holders) - set(names))
    if unknown:
        raise model.error(f"has no Characteristic {unknown[0]!r}, to which a holder is assigned; correct the name")
    return tuple(
        _characteristic(node.named(f"{model.where}, Characteristic {name!r}"), name, inputs, holders.get(name))
        for name, node in zip(names, nodes, strict=True)
    )


def _names(nodes: Sequence[Node]) -> list[str]:
    """Names are optional in PMML and need not differ; ours must."""
    names: list[str] = []
    for position, node in enumerate(nodes, 1):
        name = node.get("name") or f"characteristic {position}"
        names.append(f"{name} ({position})" if name in names else name)
    return names


def _characteristic(node: Node, name: str, inputs: InputFields, holder: str | None) -> Characteristic:
    attributes = tuple(
        _attribute(child.named(f"{node.where}, Attribute {position}"), inputs)
        for position, child in enumerate(node.children("Attribute"), 1)
    )
    return Characteristic(
        name=name,
        holder=holder or node.extension(HOLDER_EXTENSION) or UNNAMED_HOLDER,
        attributes=attributes,
        reason_code=node.get("reasonCode") or None,
        baseline=node.number("baselineScore"),
    )


def _attribute(node: Node, inputs: InputFields) -> Attribute:
    if node.child("ComplexPartialScore") is not None:
        raise node.error("has a ComplexPartialScore, which is not supported; give it a partialScore")
    score = node.number("partialScore")
    if score is None:
        raise node.error("has no partialScore; give it one")
    return Attribute(read_predicate(node, inputs), score, node.get("reasonCode") or None)


def _reasons(model: Node, characteristics: Sequence[Characteristic]) -> dict[str, Any]:
    """PMML uses reason codes unless told otherwise; a file that says nothing and has none simply has none."""
    written = model.flag("useReasonCodes")
    algorithm = ALGORITHMS.get(model.get("reasonCodeAlgorithm") or "pointsBelow")
    if algorithm is None:
        raise model.error(
            f"has reasonCodeAlgorithm {model.get('reasonCodeAlgorithm')!r}; PMML knows {', '.join(ALGORITHMS)}"
        )
    some = any(one.reason_code or any(a.reason_code for a in one.attributes) for one in characteristics)
    return {
        "use_reason_codes": some if written is None else written,
        "reason_code_algorithm": algorithm,
        "baseline": model.number("baselineScore"),
        "baseline_method": model.get("baselineMethod") or "other",
    }
