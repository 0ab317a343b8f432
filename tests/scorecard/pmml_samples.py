"""PMML documents for tests, built from the few numbers that define them."""

from typing import Any
from xml.sax.saxutils import quoteattr


def document(
    fields: Any,
    schema: Any,
    characteristics: Any,
    *,
    version: str = "4.4",
    extra: Any = "",
    before: Any = "",
    **scorecard: Any,
) -> Any:
    """One Scorecard. fields and schema: XML; characteristics: lists of (predicate XML, attributes) under attributes."""
    attributes = {"modelName": "sample", "functionName": "regression", "useReasonCodes": "true"} | scorecard
    blocks = "".join(
        f"<Characteristic{_attributes(own)}>"
        + "".join(f"<Attribute{_attributes(given)}>{predicate}</Attribute>" for predicate, given in bins)
        + "</Characteristic>"
        for own, bins in characteristics
    )
    return (
        f'<PMML xmlns="http://www.dmg.org/PMML-{version.replace(".", "_")}" version="{version}"><Header/>'
        f"<DataDictionary>{fields}</DataDictionary>{before}<Scorecard{_attributes(attributes)}>"
        f"<MiningSchema>{schema}</MiningSchema>{extra}<Characteristics>{blocks}</Characteristics></Scorecard></PMML>"
    ).encode()


def _attributes(given: Any) -> Any:
    return "".join(f" {name}={quoteattr(str(value))}" for name, value in given.items() if value is not None)


def field(name: Any, kind: Any, optype: Any = "continuous", inside: Any = "") -> Any:
    return f'<DataField name="{name}" optype="{optype}" dataType="{kind}">{inside}</DataField>'


def mining(name: Any, **given: Any) -> Any:
    return f"<MiningField{_attributes({'name': name} | given)}/>"


def simple(name: Any, operator: str, value: Any = None) -> Any:
    return f"<SimplePredicate{_attributes({'field': name, 'operator': operator, 'value': value})}/>"


def joined(operator: str, *parts: Any) -> Any:
    return f'<CompoundPredicate booleanOperator="{operator}">{"".join(parts)}</CompoundPredicate>'


def members(name: Any, operator: str, text: str, **given: Any) -> Any:
    array = f"<Array{_attributes({'type': 'string'} | given)}>{text}</Array>"
    return f'<SimpleSetPredicate field="{name}" booleanOperator="{operator}">{array}</SimpleSetPredicate>'


def score(value: Any, code: Any = None) -> Any:
    return {"partialScore": value, "reasonCode": code}


def between(name: Any, low: Any, high: Any) -> Any:
    return joined("and", simple(name, "greaterThan", low), simple(name, "lessOrEqual", high))


OUTPUT = (
    '<Output><OutputField name="Final Score" feature="predictedValue" dataType="double" optype="continuous"/>'
    '<OutputField name="Reason Code 1" rank="1" feature="reasonCode" dataType="string" optype="categorical"/></Output>'
)


def department_age_income(version: str = "4.1", age_codes: Any = True) -> Any:
    """The sample scorecard of the PMML specification (there without a ComplexPartialScore, as in 4.1)."""
    as_missing = {"usageType": "active", "invalidValueTreatment": "asMissing"}
    ages = [
        (simple("age", "isMissing"), -1),
        (simple("age", "lessOrEqual", 18), -3),
        (between("age", 18, 29), 0),
        (between("age", 29, 39), 12),
        (simple("age", "greaterThan", 39), 18),
    ]
    return document(
        field("department", "string", "categorical")
        + field("age", "integer")
        + field("income", "double")
        + field("overallScore", "double"),
        mining("department", **as_missing)
        + mining("age", **as_missing)
        + mining("income", **as_missing)
        + mining("overallScore", usageType="predicted"),
        [
            (
                {"name": "departmentScore", "reasonCode": "RC1", "baselineScore": 19},
                [
                    (simple("department", "isMissing"), score(-9)),
                    (simple("department", "equal", "marketing"), score(19)),
                    (simple("department", "equal", "engineering"), score(3)),
                    (simple("department", "equal", "business"), score(6)),
                ],
            ),
            (
                {"name": "ageScore", "reasonCode": None if age_codes else "RC2", "baselineScore": 18},
                [
                    (predicate, score(points, f"RC2_{number}" if age_codes else None))
                    for number, (predicate, points) in enumerate(ages, 1)
                ],
            ),
            (
                {"name": "incomeScore", "reasonCode": "RC3", "baselineScore": 10},
                [
                    (simple("income", "isMissing"), score(5)),
                    (simple("income", "lessOrEqual", 1000), score(26)),
                    (between("income", 1000, 2500), score(5)),
                    (simple("income", "greaterThan", 2500), score(-3)),
                ],
            ),
        ],
        version=version,
        extra=OUTPUT,
        initialScore=0,
        reasonCodeAlgorithm="pointsBelow",
        baselineMethod="other",
    )


def compound_and_xor() -> Any:
    """Two numbers and two texts, `and`, `or`, `xor`, False and True, points above the baseline."""
    names = ("input1", "input2", "input3", "input4")
    kinds = ("double", "double", "string", "string")
    either = lambda value: joined("or", simple("input3", "equal", value), simple("input4", "equal", value))  # noqa: E731
    both = lambda op: joined("and", simple("input1", op, -5), simple("input2", op, -5))  # noqa: E731
    one = joined("xor", simple("input3", "equal", "classA"), simple("input4", "equal", "classA"))
    return document(
        "".join(field(name, kind) for name, kind in zip(names, kinds, strict=True)) + field("score", "double"),
        "".join(mining(name, invalidValueTreatment="asMissing") for name in names)
        + mining("score", usageType="target"),
        [
            (
                {"name": "first", "baselineScore": -5.5, "reasonCode": "R1"},
                [
                    (both("lessOrEqual"), score(-10)),
                    (both("greaterThan"), score(15)),
                    ("<True/>", score(25)),
                ],
            ),
            (
                {"name": "second", "baselineScore": 11, "reasonCode": "R2"},
                [
                    (either("classA"), score(-18)),
                    (either("classB"), score(10)),
                    ("<False/>", score(100.5)),
                    ("<True/>", score(105.5)),
                ],
            ),
            ({"name": "third", "baselineScore": 25, "reasonCode": "R3"}, [(one, score(-50)), ("<True/>", score(150))]),
        ],
        version="4.2",
        reasonCodeAlgorithm="pointsAbove",
        initialScore=-15,
    )


def nested() -> Any:
    """Compounds inside compounds, decimals."""
    deep = joined(
        "and",
        joined("and", "<True/>", simple("input1", "greaterThan", -15), simple("input1", "lessOrEqual", 25.4)),
        simple("input2", "notEqual", "classA"),
    )
    some = joined("or", simple("input1", "lessOrEqual", -20), simple("input2", "equal", "classA"))
    other = joined(
        "or",
        joined(
            "and",
            joined("and", simple("input1", "greaterOrEqual", 5), simple("input1", "lessThan", 12)),
            simple("input2", "equal", "classB"),
        ),
        simple("input2", "equal", "classC"),
    )
    return document(
        field("input1", "double") + field("input2", "string", "categorical"),
        mining("input1") + mining("input2"),
        [
            (
                {"name": "first", "baselineScore": 21.8, "reasonCode": "R1"},
                [(deep, score(-10.5)), ("<True/>", score(25))],
            ),
            (
                {"name": "second", "baselineScore": 11, "reasonCode": "R2"},
                [(some, score(-18)), (other, score(10)), ("<True/>", score(100.5))],
            ),
        ],
        version="4.2",
        initialScore=-15,
    )


def weather() -> Any:
    """Text, boolean and number; sets of texts; no reason codes."""
    names = ("period", "continent", "rain", "humidity")
    return document(
        field("period", "string", "categorical", "".join(f'<Value value="{s}"/>' for s in ("SPRING", "SUMMER")))
        + field("continent", "string", "categorical")
        + field("rain", "boolean", "categorical")
        + field("humidity", "double"),
        "".join(mining(name, invalidValueTreatment="asMissing") for name in names),
        [
            (
                {"name": "p"},
                [(simple("period", "equal", "SPRING"), score(9.7)), (simple("period", "equal", "SUMMER"), score(10.0))],
            ),
            (
                {"name": "c"},
                [
                    (
                        '<Extension name="why" value="storms"/>' + members("continent", "isIn", "AMERICA ASIA", n=2),
                        score(-2.3),
                    ),
                    (simple("continent", "equal", "EUROPE"), score(1.1)),
                ],
            ),
            (
                {"name": "r"},
                [(simple("rain", "equal", "true"), score(-1.0)), (simple("rain", "equal", "false"), score(0.8))],
            ),
            (
                {"name": "h"},
                [(between("humidity", 30, 60), score(3.3)), (simple("humidity", "lessOrEqual", 30), score(-0.3))],
            ),
        ],
        version="4.2",
        useReasonCodes="false",
        baselineScore="0.0",
    )
