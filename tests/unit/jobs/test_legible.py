"""What a reader cannot see as it is stays out of everything that is signed; every script people write in stays usable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from jobs import legible
from jobs.documents import Commitment, Denial, Grant, ParameterRule
from jobs.documents.base import Document
from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import InvalidParameter
from jobs.kinds.statistics.plan.parameters import check_parameters
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView, Dataset

VECTORS = Path(__file__).parents[2] / "vectors" / "plans"
CATALOGUE = CatalogueView.model_validate_json((VECTORS / "catalogue.json").read_text())
HIDING = {
    "escape": "a\x1b[2Kb",
    "carriage return": "a\rb",
    "backspace": "a\x08b",
    "C1 control": "a\x9b2Kb",
    "tab": "a\tb",
    "right-to-left override": "a\u202eb",
    "isolate": "a\u2066b",
    "Arabic letter mark": "a\u061cb",
    "zero-width space": "a\u200bb",
    "joiner that joins nothing": "a\u200db",
    "word joiner": "a\u2060b",
    "byte order mark": "a\ufeffb",
    "tag": "a\U000e0041b",
    "variation selector": "a\ufe0fb",
    "variation selector of plane 14": "北\U000e0100京",
    "Hangul filler": "a\u3164b",
    "blank Braille": "a\u2800b",
    "soft hyphen": "a\xadb",
    "line separator": "a\u2028b",
    "no-break space": "a\xa0b",
    "hair space": "a\u200ab",
    "stroke through letters": "n\u0336o\u0336",
    "circle around letters": "a\u20ddb",
    "flood of marks": "a" + "\u0301" * 5,
    "flood of Thai marks": "ก" + "\u0e47" * 5,
    "mark on what stands before": "\u0301a",
    "half a surrogate pair": "a\ud800b",
    "no character": "a\uffffb",
}
USABLE = [
    "北京市，２０２４（授权运营）\u3000一网通办",
    "ئۇيغۇر",
    "ᠮᠣᠩᠭᠣᠯ ᠤᠨ ᠬᠡᠯᠡ᠋",
    "བོད་སྐད",
    "Tiếng Việt, ệ written as e\u0323\u0302",
    "می\u200cخواهم",
    "क्\u200dष",
    "שָׁלוֹם",
    "ภาษาไทยก็ดี",
    "한국어 漢字 かな",
    "Ωμέγα, naïve, Ünüm [bold]: 'quoted' \\ 100 % 😀",
]


@pytest.mark.parametrize("name", HIDING)
def test_what_hides_is_refused_and_shown_by_name(name: str) -> None:
    text = HIDING[name]
    why = legible.fault(text)
    assert why is not None
    assert text not in why
    shown = legible.shown(text)
    assert legible.fault(shown) is None
    assert "<U+" in shown


@pytest.mark.parametrize("text", USABLE)
def test_what_people_write_is_usable(text: str) -> None:
    assert legible.fault(text) is None
    assert legible.shown(text).replace("\u2068", "").replace("\u2069", "") == text


def test_right_to_left_words_reorder_nothing_around_them() -> None:
    """Without the isolates a terminal shows ``'א', 5, 'ב'`` as ``'ב' ,5 ,'א'`` (UAX 9)."""
    assert legible.shown("'א', 5, 'ב'") == "'\u2068א\u2069', 5, '\u2068ב\u2069'"


def test_a_newline_is_for_paragraphs_only() -> None:
    assert legible.fault("a\nb")
    assert legible.fault_of_lines("a\nb\n\nc") is None
    assert legible.fault_of_lines("a\n\u0301b")
    assert legible.shown("a\nb") == "a<U+000A>b"


def test_a_long_text_is_cut_and_says_so() -> None:
    assert legible.shown("x" * 5000, 10) == "x" * 10 + "… (5,000 characters)"


# documents and declarations ----------------------------------------------------------------------------------------


def refused(make: Callable[[], Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        make()
    return str(caught.value)


FIELDS: list[tuple[type[Document], str]] = [
    (Commitment, "purpose"),
    (Commitment, "scenario"),
    (Commitment, "disposal"),
    (Grant, "scenario"),
    (Grant, "purpose"),
    (Denial, "reasons"),
]


@pytest.mark.parametrize(("document", "field"), FIELDS)
@pytest.mark.parametrize("name", [name for name in HIDING if name != "half a surrogate pair"])
def test_a_document_field_shows_what_it_says(document: type[Document], field: str, name: str) -> None:
    value: Any = (HIDING[name],) if field == "reasons" else HIDING[name]
    honest: Any = ("北京",) if field == "reasons" else "北京"
    assert f"\n{field}" in refused(lambda: document.model_validate({field: value}))
    assert f"\n{field}" not in refused(
        lambda: document.model_validate({field: honest})
    )  # only other fields are missing


@pytest.mark.parametrize("value", [text for name, text in HIDING.items() if "surrogate" not in name] + ["a\nb"])
def test_a_parameter_value_shows_what_it_says(value: str) -> None:
    refused(lambda: ParameterRule(name="p", allowed=(value,)))
    assert ParameterRule(name="p", allowed=("北京", 1, True)).allowed == ("北京", 1, True)
    plan = compile_sql("SELECT COUNT(*) FROM flights WHERE cause <> :p", CATALOGUE)
    with pytest.raises(InvalidParameter):
        check_parameters(plan, {"p": value})


def declared(**column: Any) -> Dataset:
    columns = [
        {"name": "u", "type": "string", "role": "unit", "unit_domain": "person"},
        {"name": "c", "type": "string", "role": "known", **column},
    ]
    return Dataset.model_validate({"name": "d", "unit": "u", "legal_basis": "law", "columns": columns})


@pytest.mark.parametrize("text", [*HIDING.values(), "a\nb"])
def test_a_declaration_shows_what_it_says(text: str) -> None:
    assert declared(domain=["北京", "上海"], title="城市").column("c").title == "城市"
    refused(lambda: declared(title=text))
    refused(lambda: declared(domain=["ok", text]))
    for field in ("title", "legal_basis", "collecting_body"):
        value = declared().model_dump(mode="json") | {field: text}
        refused(lambda value=value: Dataset.model_validate(value))  # type: ignore[misc]


@pytest.mark.parametrize("number", ["١٢", "１", "1²", "৩"])
def test_numbers_have_ascii_digits(number: str) -> None:
    refused(lambda: declared(bounds={"low": "0", "high": number}, type="int", role="measure"))
    refused(lambda: declared(bounds={"low": "2013-01-01", "high": f"2013-01-0{number}"}, type="date"))
    refused(lambda: Dataset.model_validate(declared().model_dump() | {"profile": f"standard@{number}"}))


# plans -------------------------------------------------------------------------------------------------------------


def test_a_forged_plan_with_a_hiding_literal_is_no_plan() -> None:
    """The node, and whoever reviews, parse the same type: the literal, output name or group value is refused there."""
    sql = "SELECT cause AS grund, COUNT(*) AS n FROM flights WHERE cause = 'crew' GROUP BY cause"
    plan = compile_sql(sql, CATALOGUE)
    honest = plan.model_dump_json()
    check_plan(Plan.model_validate_json(honest), CATALOGUE.datasets)
    for text in HIDING.values():
        if "\ud800" in text:
            continue
        for place in ('"crew"', '"grund"'):
            assert place in honest
            forged = honest.replace(place, json.dumps(text))
            refused(lambda forged=forged: Plan.model_validate_json(forged))  # type: ignore[misc]


def test_an_output_name_has_no_joiner() -> None:
    """The name's pattern alone lets one pass: in it, a joiner is a word character."""
    plan = compile_sql("SELECT COUNT(*) AS n FROM flights", CATALOGUE)
    refused(
        lambda: Plan.model_validate(
            plan.model_dump() | {"outputs": [{"name": "n\u200d", "expr": plan.outputs[0].expr}]}
        )
    )
