"""PMML from elsewhere gives its documented results, and what is not supported is refused by name."""

from typing import Any

import pmml_samples as pmml
import pytest

from privcredit.errors import UsageError
from privcredit.scorecard.fields import CellError
from privcredit.scorecard.model import NoAttributeError
from privcredit.scorecard.pmml import parse_pmml


def read(document: Any, **given: Any) -> Any:
    return parse_pmml(document, "card.pmml", **given)


DERIVED = '<DerivedField name="z" optype="continuous" dataType="double"><FieldRef field="x"/></DerivedField>'


def small(
    predicate: Any = "<True/>",
    kind: str = "double",
    inside: Any = "",
    extra: Any = "",
    before: Any = "",
    schema: Any = None,
    bins: Any = None,
    **scorecard: Any,
) -> Any:
    given = {"useReasonCodes": "false"} | scorecard
    return pmml.document(
        pmml.field("x", kind, inside=inside),
        schema or pmml.mining("x"),
        [({"name": "only"}, bins or [(predicate, pmml.score(1)), ("<True/>", pmml.score(0))])],
        extra=extra,
        before=before,
        **given,
    )


def matches(predicate: Any, cell: Any, kind: str = "double", **given: Any) -> Any:
    return read(small(predicate, kind, **given)).score({"x": cell}).score == 1.0


# Documented results: the specification's sample as jpmml-evaluator tests it; the rest as Drools' scorecard tests do.
@pytest.mark.parametrize("version", ["4.0", "4.1", "4.2", "4.3", "4.4"])
@pytest.mark.parametrize(("age_codes", "reasons"), [(True, ("RC2_3", "RC1")), (False, ("RC2", "RC1"))])
def test_sample_of_the_specification(version: str, age_codes: Any, reasons: Any) -> None:
    card = read(pmml.department_age_income(version, age_codes))
    result = card.score({"department": "engineering", "age": "25", "income": "500"})
    assert (result.score, result.points, result.reason_codes) == (29.0, 29, reasons)
    assert card.holders == ("",)


def test_sample_with_missing_and_invalid_cells_as_missing() -> None:
    card = read(pmml.department_age_income())
    result = card.score({"department": "", "age": "old", "income": None})
    assert result.score == -9 - 1 + 5
    assert result.reason_codes == ("RC1", "RC2_1", "RC3")  # 28, 19, 5 points below


def test_no_true_attribute_is_an_invalid_result() -> None:
    card = read(pmml.department_age_income())
    with pytest.raises(NoAttributeError, match="departmentScore"):
        card.score({"department": "finance", "age": "25", "income": "500"})


@pytest.mark.parametrize(
    ("cells", "score", "reasons"),
    [
        ((-21.5, -7, "classA", "classB"), -93, ()),
        ((2, 3.5, "classA", "classB"), -68, ("R1",)),
        ((-8, 3, "classA", "classB"), -58, ("R1",)),
        ((-8, -12.5, "classB", "classB"), 135, ("R3",)),
        ((-8, 3, "classB", "classB"), 170, ("R3", "R1")),
        ((5, 3, "classB", "classB"), 160, ("R3", "R1")),
        ((-8, -50, "classC", "classC"), 230.5, ("R3", "R2")),
        ((-8, 3, "classC", "classC"), 265.5, ("R3", "R2", "R1")),
        ((5, 3, "classC", "classC"), 255.5, ("R3", "R2", "R1")),
    ],
)
def test_compound_predicates_and_points_above(cells: Any, score: Any, reasons: Any) -> None:
    card = read(pmml.compound_and_xor())
    result = card.score(dict(zip(("input1", "input2", "input3", "input4"), map(str, cells), strict=True)))
    assert (result.score, result.reason_codes) == (score, reasons)
    assert (card.scale, result.points) == (10, score * 10)


@pytest.mark.parametrize(
    ("cells", "score", "reasons"),
    [
        ((-50, "classB"), -8, ("R2",)),
        ((-9, "classB"), 75, ("R1",)),
        ((25.4, "classB"), 75, ("R1",)),
        ((-7, "classA"), -8, ("R2",)),
        ((-7, "classC"), -15.5, ("R1", "R2")),
        ((5, "classB"), -15.5, ("R1", "R2")),
        ((7.4, "classB"), -15.5, ("R1", "R2")),
        ((12, "classD"), 75, ("R1",)),
    ],
)
def test_nested_predicates(cells: Any, score: Any, reasons: Any) -> None:
    result = read(pmml.nested()).score({"input1": cells[0], "input2": cells[1]})
    assert (result.score, result.reason_codes) == (score, reasons)


@pytest.mark.parametrize("rain", ["true", "TRUE", "1", True])
def test_sets_booleans_and_decimals(rain: Any) -> None:
    card = read(pmml.weather())
    assert card.score({"period": "SPRING", "continent": "EUROPE", "rain": rain, "humidity": "25.0"}).score == 9.5
    result = card.score({"period": "SUMMER", "continent": "ASIA", "rain": rain, "humidity": 35.0})
    assert (result.score, result.points, card.scale) == (10.0, 100, 10)
    assert result.reason_codes == ()


@pytest.mark.parametrize(
    ("operator", "value", "true_for", "false_for"),
    [
        ("equal", 5, "5.0", "6"),
        ("notEqual", 5, "6", "5"),
        ("lessThan", 5, "4.9", "5"),
        ("lessOrEqual", 5, "5", "5.1"),
        ("greaterThan", 5, "5.1", "5"),
        ("greaterOrEqual", 5, "5", "4.9"),
        ("isMissing", None, "", "5"),
        ("isNotMissing", None, "5", ""),
    ],
)
def test_simple_operators(operator: str, value: Any, true_for: Any, false_for: Any) -> None:
    predicate = pmml.simple("x", operator, value)
    assert matches(predicate, true_for)
    assert not matches(predicate, false_for)


@pytest.mark.parametrize("operator", ["equal", "notEqual", "lessThan", "lessOrEqual", "greaterThan", "greaterOrEqual"])
def test_comparison_with_a_missing_value_is_unknown(operator: str) -> None:
    assert not matches(pmml.simple("x", operator, 5), "")


@pytest.mark.parametrize(
    ("operator", "parts", "expected"),
    [
        ("and", "TT", "T"), ("and", "TF", "F"), ("and", "TU", "U"), ("and", "FU", "F"), ("and", "UU", "U"),
        ("or", "FF", "F"), ("or", "TF", "T"), ("or", "TU", "T"), ("or", "FU", "U"), ("or", "UU", "U"),
        ("xor", "TF", "T"), ("xor", "TT", "F"), ("xor", "TTT", "T"), ("xor", "TU", "U"), ("xor", "FU", "U"),
        ("surrogate", "UT", "T"), ("surrogate", "UF", "F"), ("surrogate", "FT", "F"), ("surrogate", "UU", "U"),
    ],
)  # fmt: skip
def test_three_valued_connectives(operator: str, parts: Any, expected: Any) -> None:
    leaf = {"T": "<True/>", "F": "<False/>", "U": pmml.simple("x", "equal", 1)}
    compound = pmml.joined(operator, *(leaf[part] for part in parts))
    assert matches(compound, "") == (expected == "T")
    unknown = pmml.joined("surrogate", compound, "<True/>")  # tells unknown from false
    assert matches(unknown, "") == (expected in "TU")


@pytest.mark.parametrize(
    ("text", "cell", "inside"),
    [
        ('a "two words" b', "two words", True),
        ('a "two words" b', "two", False),
        (r'"say \"x\"" b', 'say "x"', True),
        ("  a\n b\t", "b", True),
        ('"" b', "b", True),
        ("", "a", False),
    ],
)
def test_arrays(text: str, cell: Any, inside: Any) -> None:
    assert matches(pmml.members("x", "isIn", text), cell, "string") is inside
    assert matches(pmml.members("x", "isNotIn", text), cell, "string") is not inside
    assert not matches(pmml.members("x", "isNotIn", text), "", "string")


def test_numeric_array() -> None:
    assert matches(pmml.members("x", "isIn", "1 2.5", n=2, type="real"), "2.50")


@pytest.mark.parametrize(
    ("schema", "cell", "score"),
    [
        ({"missingValueReplacement": "7"}, "", 1),
        ({"missingValueReplacement": "7", "missingValueTreatment": "asMean"}, "", 1),
        ({"missingValueReplacement": "3"}, "", 0),
        ({"invalidValueTreatment": "asMissing", "missingValueReplacement": "7"}, "abc", 1),
        ({"invalidValueTreatment": "asMissing"}, "99", 0),
        ({"invalidValueTreatment": "asIs"}, "99", 1),
        ({"invalidValueTreatment": "asValue", "invalidValueReplacement": "7"}, "99", 1),
        ({"invalidValueTreatment": "asMissing", "missingValueReplacement": "7"}, "-999", 1),
        ({}, "50", 1),
        ({}, "-1", 1),
    ],
)
def test_missing_and_invalid_values(schema: Any, cell: Any, score: Any) -> None:
    inside = (
        '<Interval closure="closedOpen" leftMargin="0" rightMargin="99"/><Value value="-1"/>'
        '<Value value="-999" property="missing"/><Value value="13" property="invalid"/>'
    )
    predicate = pmml.joined("or", pmml.simple("x", "greaterThan", 5), pmml.simple("x", "equal", -1))
    card = read(small(predicate, inside=inside, schema=pmml.mining("x", **schema)))
    assert card.score({"x": cell}).score == score


@pytest.mark.parametrize("cell", ["99", "-0.1", "13", "abc", "nan", "inf", "1_0", "0x10"])
def test_invalid_values_are_refused_by_default(cell: Any) -> None:
    inside = '<Interval closure="closedOpen" leftMargin="0" rightMargin="99"/><Value value="13" property="invalid"/>'
    with pytest.raises(CellError, match="'x'") as caught:
        read(small(inside=inside)).score({"x": cell})
    assert cell not in str(caught.value).replace("'x'", "")


def test_missing_can_be_refused() -> None:
    with pytest.raises(CellError, match="missing"):
        read(small(schema=pmml.mining("x", missingValueTreatment="returnInvalid"))).score({"x": ""})


def test_active_field_that_no_condition_reads_still_refuses() -> None:
    card = read(small(schema=pmml.mining("x", missingValueTreatment="returnInvalid")))
    assert card.used_fields == ()
    with pytest.raises(CellError):
        card.score({})


def test_closures() -> None:
    for closure, low, high in [("openOpen", 0, 0), ("openClosed", 0, 1), ("closedOpen", 1, 0), ("closedClosed", 1, 1)]:
        inside = f'<Interval closure="{closure}" leftMargin="0" rightMargin="9"/>'
        card = read(small(inside=inside, schema=pmml.mining("x", invalidValueTreatment="asMissing"),
                          predicate=pmml.simple("x", "isNotMissing")))  # fmt: skip
        assert [card.score({"x": cell}).score for cell in ("0", "5", "9")] == [low, 1, high]


def test_reason_codes_ties_in_document_order_and_shared_codes_add_up() -> None:
    bins = [("<True/>", pmml.score(5))]
    names = [("a", "R2"), ("b", "R1"), ("c", "R3"), ("d", "R3"), ("e", "R0")]
    baselines = {"a": 8, "b": 8, "c": 7, "d": 7, "e": 4}
    blocks = [({"name": n, "reasonCode": code, "baselineScore": baselines[n]}, bins) for n, code in names]
    document = pmml.document(pmml.field("x", "double"), pmml.mining("x"), blocks)
    assert read(document).score({"x": "1"}).reason_codes == ("R3", "R2", "R1")  # 4, 3, 3; R0 is above its baseline


def test_reason_code_without_loss_comes_last() -> None:
    blocks = [
        ({"name": "a", "reasonCode": "R1"}, [("<True/>", pmml.score(5))]),
        ({"name": "b", "reasonCode": "R2"}, [("<True/>", pmml.score(4))]),
    ]
    document = pmml.document(pmml.field("x", "double"), pmml.mining("x"), blocks, baselineScore=5)
    assert read(document).score({}).reason_codes == ("R2", "R1")


def test_unstated_reason_codes_are_used_only_if_there_are_any() -> None:
    assert not read(small(useReasonCodes=None)).use_reason_codes
    with pytest.raises(UsageError, match="baseline"):
        read(small(bins=[("<True/>", pmml.score(1, "R"))], useReasonCodes=None))
    with pytest.raises(UsageError, match="baseline"):
        read(small(useReasonCodes="true"))


def test_holders_scale_and_version_of_extensions_and_arguments() -> None:
    document = pmml.department_age_income().replace(
        b'name="departmentScore" reasonCode="RC1" baselineScore="19">',
        b'name="departmentScore" reasonCode="RC1" baselineScore="19">'
        b'<Extension name="privcredit:holder" value="employer"/>',
    )
    assert read(document).holders == ("employer", "")
    assert read(document, holders={"ageScore": "registry", "departmentScore": "other"}).holders == (
        "other",
        "registry",
        "",
    )
    assert read(document, scale=10).scale == 10
    with pytest.raises(UsageError, match="'aegScore'"):
        read(document, holders={"aegScore": "registry"})


def test_unused_derived_fields_and_neutral_targets_are_tolerated() -> None:
    derived = f"<LocalTransformations>{DERIVED}</LocalTransformations>"
    target = '<Targets><Target field="x" rescaleFactor="1"/></Targets>'
    assert read(small(extra=derived + target)).score({"x": "1"}).score == 1


def test_names_are_optional_and_need_not_differ() -> None:
    blocks = [({}, [("<True/>", pmml.score(1))]), ({"name": "a"}, [("<True/>", pmml.score(1))]),
              ({"name": "a"}, [("<True/>", pmml.score(1))])]  # fmt: skip
    card = read(pmml.document(pmml.field("x", "double"), pmml.mining("x"), blocks, useReasonCodes="false"))
    assert [one.name for one in card.characteristics] == ["characteristic 1", "a", "a (3)"]


COMPLEX = "<ComplexPartialScore><Constant>1</Constant></ComplexPartialScore>"
DICTIONARY = f"<TransformationDictionary>{DERIVED}</TransformationDictionary>"


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (small(bins=[("<True/>" + COMPLEX, {})]), "'only', Attribute 1 has a ComplexPartialScore, which"),
        (small(bins=[("<True/>" + COMPLEX, {"partialScore": 3})]), "ComplexPartialScore"),
        (small(bins=[("<True/>", {})]), "no partialScore"),
        (small(bins=[("", {"partialScore": 3})]), "0 predicates"),
        (small(pmml.simple("z", "equal", 1), before=DICTIONARY), "'z' reads a DerivedField"),
        (small(pmml.simple("y", "equal", 1)), "DataDictionary does not declare"),
        (small(pmml.simple("x", "equal", 1), schema=pmml.mining("x", usageType="order")), "no active MiningField"),
        (small(pmml.simple("x", "equal", "one")), "'one', which is not of type double"),
        (small(pmml.simple("x", "like", "one")), "operator 'like'"),
        (small(pmml.simple("x", "equal")), "has no value"),
        (small(pmml.simple("x", "lessThan", "b"), "string"), "list the values"),
        (small(pmml.simple("x", "equal", "2020-01-01"), "date"), "type 'date'"),
        (small(pmml.members("x", "isIn", "1 2 3", n=2)), "holds 3 items"),
        (small(pmml.members("x", "within", "1")), "'within'"),
        (small(pmml.joined("nand", "<True/>", "<True/>")), "'nand'"),
        (small(pmml.joined("and")), "joins no predicate"),
        (small(schema=pmml.mining("x", outliers="asExtremeValues")), "outliers"),
        (small(schema=pmml.mining("x", invalidValueTreatment="guess")), "'guess'"),
        (small(inside='<Interval closure="closed" leftMargin="0"/>'), "closure 'closed'"),
        (small(inside='<Value value="1" property="odd"/>'), "'odd'"),
        (small(isScorable="false"), "isScorable"),
        (small(functionName="classification"), "classification"),
        (small(reasonCodeAlgorithm="other"), "reasonCodeAlgorithm"),
        (small(initialScore="many"), "initialScore"),
        (small(extra='<Targets><Target field="x" rescaleFactor="2"/></Targets>'), "rescaleFactor"),
        (small(extra='<Targets><Target field="x" castInteger="round"/></Targets>'), "castInteger"),
        (small(bins=[("<True/>", pmml.score("1e300"))]), "2^40"),
        (b"<PMML xmlns='http://www.dmg.org/PMML-4_4'><Header/><TreeModel/></PMML>", "holds a TreeModel"),
        (b"<PMML xmlns='http://www.dmg.org/PMML-4_4'><MiningModel/></PMML>", "holds a MiningModel"),
        (b"<PMML xmlns='http://www.dmg.org/PMML-4_4'><Scorecard/><Scorecard/></PMML>", "2 .Scorecard, Scorecard"),
        (b"<PMML xmlns='http://www.dmg.org/PMML-4_4'><Scorecard/></PMML>", "no Characteristic"),
        (b"<PMML xmlns='http://www.dmg.org/PMML-3_2'/>", "namespace"),
        (b"<PMML xmlns='http://www.dmg.org/PMML-4_4'/>", "holds 0"),
        (b"<html/>", "outermost element is 'html'"),
        (b"<PMML><Scorecard>", "line 1, column 18"),
        (b"department,age\n", "well-formed"),
        (b"", "well-formed"),
        (b'<?xml version="1.0" encoding="klingon"?><PMML/>', "card.pmml"),
    ],
)  # fmt: skip
def test_clear_refusals(document: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence.replace("^", r"\^")) as caught:
        read(document).score({"x": "1"})
    assert str(caught.value).startswith("card.pmml")
    assert str(caught.value).count("\n") == 0


def test_entities_dtds_and_floods_are_refused() -> None:
    bomb = b'<!DOCTYPE PMML [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><PMML version="4.4">&b;</PMML>'
    outside = b'<!DOCTYPE PMML SYSTEM "file:///etc/passwd"><PMML/>'
    deep = small(
        pmml.joined("and", *["<CompoundPredicate booleanOperator='and'><True/>" * 3000 + "</CompoundPredicate>" * 3000])
    )
    for document, sentence in [(bomb, "DTD"), (outside, "DTD"), (deep, "deeper"), (b" " * (9 << 20), "limit")]:
        with pytest.raises(UsageError, match=sentence):
            read(document)


def test_an_attributes_reason_code_goes_before_its_characteristics() -> None:
    bins = [(pmml.simple("x", "equal", 1), pmml.score(0, "OWN")), ("<True/>", pmml.score(0))]
    blocks = [({"name": "a", "reasonCode": "SHARED", "baselineScore": 5}, bins)]
    card = read(pmml.document(pmml.field("x", "double"), pmml.mining("x"), blocks))
    assert card.score({"x": "1"}).reason_codes == ("OWN",)
    assert card.score({"x": "2"}).reason_codes == ("SHARED",)


@pytest.mark.parametrize("cell", [str(2**53), str(-(2**53)), "1.5", "1e300", "9" * 400])
def test_integers_that_doubles_cannot_hold_are_invalid(cell: str) -> None:
    card = read(small(pmml.simple("x", "greaterThan", 0), "integer"))
    assert card.score({"x": str(2**53 - 1)}).score == 1.0
    with pytest.raises(CellError, match="whole number"):
        card.score({"x": cell})
