"""A released table as the SDK reads it: types, suppressed cells, standard errors, and the ways out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from jobs.kinds.statistics.answer import AnswerColumn, AnswerTable
from jobs.kinds.statistics.tableform import render_table
from sandbox.client.table import Table

COLUMNS = (AnswerColumn("kind", "string"), AnswerColumn("n", "integer", True), AnswerColumn("mean", "decimal", True))
ROWS = (("x", 124, Decimal("1.50")), ("<b>", None, Decimal("2")), ("z", 90, None))
HIDDEN = ((False,) * 3, (False, True, False), (False, False, True))
ERRORS = ((None, Decimal(3), Decimal("0.62")), (None, None, Decimal("120")), (None, Decimal(3), None))


def read(errors: Any = ERRORS) -> Table:
    """From what the hub shows."""
    return Table.read(render_table(AnswerTable(COLUMNS, ROWS, HIDDEN, errors), "release-1", "Source: x.").shown)


def test_errors_stand_beside_the_rows_in_the_same_shape() -> None:
    table = read()
    assert table.rows == ROWS
    assert table.errors == ERRORS
    assert (table.error(0, "mean"), table.error(1, "n")) == (Decimal("0.62"), None)
    assert [table.cell(0, name) for name in table.columns] == ["x", "124 ±3", "1.50 ±0.62"]
    assert [table.cell(1, name) for name in table.columns] == ["<b>", "·", "2 ±120"]


def test_plain_columns_stay_and_errors_are_offered() -> None:
    table = read()
    frame = table.to_pandas()
    assert list(frame.columns) == ["kind", "n", "mean"]
    assert frame["n"].tolist()[0] == 124
    assert frame["n"].isna().tolist() == [False, True, False]
    both = table.to_pandas(errors=True)
    assert list(both.columns) == ["kind", "n", "n (se)", "mean", "mean (se)"]
    assert both["mean (se)"].tolist()[:2] == [0.62, 120.0]
    assert table.to_arrow().schema.metadata[b"source"] == b"Source: x."


def test_exact_tables_have_no_columns_of_errors() -> None:
    table = read(((None,) * 3,) * 3)
    assert not table.has_errors()
    assert table.to_arrow(errors=True).column_names == ["kind", "n", "mean"]
    assert table.cell(0, "n") == "124"
    assert "±" not in table._repr_html_()


def test_a_notebook_shows_errors_and_nothing_as_markup() -> None:
    page = read()._repr_html_()
    assert "<td>124 ±3</td>" in page
    assert "&lt;b&gt;" in page
    assert "± one standard error" in page


def test_a_notebook_says_how_many_numbers_each_rule_withheld() -> None:
    shown = render_table(AnswerTable(COLUMNS, ROWS, HIDDEN, ERRORS), "release-1", "Source: x.").shown
    assert "<ul>" not in Table.read(shown)._repr_html_()
    verdict = {"withheld": {"owner-rule": 1, "too-few": 0, "within-noise": 1}}
    page = Table.read({**shown, "verdict": verdict})._repr_html_()
    assert "<li>1: an owner&#x27;s rule: too few individuals" in page
    assert "<li>1: a spread no larger than twice its error</li>" in page
    assert page.count("<li>") == 2


@pytest.mark.parametrize("errors", [False, True])
def test_a_table_without_rows_has_its_columns(errors: bool) -> None:
    empty = Table.read(render_table(AnswerTable(COLUMNS, (), (), ()), "r", "s").shown)
    assert empty.to_arrow(errors=errors).column_names == ["kind", "n", "mean"]
    assert len(empty.to_pandas(errors=errors)) == 0
