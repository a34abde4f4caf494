"""A released table in three forms: nothing shown that is suppressed, no digit lost, the source in each."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal

import pyarrow as pa

from jobs.kinds.base import Rendered
from jobs.kinds.statistics.answer import AnswerColumn, AnswerTable
from jobs.kinds.statistics.tableform import MARK, content_of, render_table, table_of

COLUMNS = (
    AnswerColumn("name", "string"),
    AnswerColumn("n", "integer", True),
    AnswerColumn("mean", "decimal", True),
    AnswerColumn("day", "date"),
    AnswerColumn("ok", "bool"),
)
ROWS = (
    ('a, "b"', 2**60, Decimal("1.50"), dt.date(2013, 1, 31), True),
    ("c", None, None, None, None),
)
SUPPRESSED = ((False,) * 5, (False, True, True, False, False))
ERRORS = ((None, Decimal("1200000"), Decimal("0.62"), None, None), (None,) * 5)
TABLE = AnswerTable(COLUMNS, ROWS, SUPPRESSED, ERRORS)
EXACT = AnswerTable(tuple(AnswerColumn(c.name, c.type) for c in COLUMNS), ROWS, SUPPRESSED, ((None,) * 5,) * 2)
SOURCE = "Source: flights, provided by EWR."
RENDERED = render_table(TABLE, "release-1", SOURCE)


def content(rendered: Rendered, name: str) -> bytes:
    [file] = [file for file in rendered.files if file.name == name]
    return file.content


def test_json_keeps_every_digit_as_text_and_names_what_is_hidden() -> None:
    assert RENDERED.shown["rows"][0] == ['a, "b"', str(2**60), "1.50", "2013-01-31", True]
    assert RENDERED.shown["suppressed"] == [[], ["n", "mean"]]
    assert RENDERED.shown["errors"] == [[None, "1200000", "0.62", None, None], [None] * 5]
    assert RENDERED.shown["columns"][1] == {"name": "n", "type": "integer", "noisy": True, "ranged": False}
    assert RENDERED.shown["source_line"] == "Source: flights, provided by EWR."


def test_csv_marks_hidden_cells_and_carries_the_source() -> None:
    text = content(RENDERED, "csv").decode()
    head, body = text.split("name,n,n (se),", 1)
    assert head.startswith("# Source: flights, provided by EWR.\n# release-1;")
    rows = list(csv.reader(io.StringIO("name,n,n (se)," + body)))
    assert rows[0] == ["name", "n", "n (se)", "mean", "mean (se)", "day", "ok"]
    assert rows[1] == ['a, "b"', str(2**60), "1200000", "1.50", "0.62", "2013-01-31", "true"]
    assert rows[2] == ["c", MARK, "", MARK, "", "", ""]


def test_arrow_has_types_nulls_and_metadata() -> None:
    table = pa.ipc.open_file(content(RENDERED, "arrow")).read_all()
    assert table.column("n").to_pylist() == [2**60, None]
    assert table.column("mean").to_pylist() == [Decimal("1.50"), None]
    assert table.column("day").to_pylist() == [dt.date(2013, 1, 31), None]
    assert table.column_names == ["name", "n", "n (se)", "mean", "mean (se)", "day", "ok"]
    assert table.column("mean (se)").to_pylist() == [Decimal("0.62"), None]
    metadata = table.schema.metadata
    assert metadata[b"source"] == b"Source: flights, provided by EWR."
    assert json.loads(metadata[b"suppressed"]) == [[1, 1], [1, 3]]  # row, column of this file


def test_numbers_too_wide_for_a_type_become_text_rather_than_lose_a_digit() -> None:
    wide = AnswerTable(EXACT.columns[1:3], ((2**70, Decimal(10) ** 50),), ((False, False),), ((None, None),))
    table = pa.ipc.open_file(content(render_table(wide, "r", "s"), "arrow")).read_all()
    assert table.to_pylist() == [{"n": str(2**70), "mean": "1" + "0" * 50}]


def test_every_file_has_a_type_of_its_own() -> None:
    found = {file.name: file.media_type for file in RENDERED.files}
    assert found == {"csv": "text/csv", "arrow": "application/vnd.apache.arrow.file"}


def test_the_content_that_a_release_commits_to_is_the_whole_table() -> None:
    """What participants recompute: from it alone all forms are made again, to the last byte."""
    again = table_of(content_of(TABLE))
    assert again == TABLE
    assert render_table(again, "release-1", SOURCE) == RENDERED
    shown = AnswerTable(COLUMNS, ROWS, ((False,) * 5,) * 2, ERRORS)
    assert content_of(shown) != content_of(TABLE)  # whether a cell is hidden or empty is part of it


def test_null_an_empty_text_and_what_is_hidden_are_told_apart() -> None:
    texts = AnswerTable((AnswerColumn("name", "string"),), (("",), (None,), (None,), ("*",), ("x",)),
                        ((False,), (False,), (True,), (False,), (False,)), ((None,),) * 5)  # fmt: skip
    rendered = render_table(texts, "release-1", SOURCE)
    assert content(rendered, "csv").decode().splitlines()[2:] == ["name", '""', "", MARK, '"*"', "x"]
    arrow = pa.ipc.open_file(content(rendered, "arrow")).read_all()
    assert arrow.column("name").to_pylist() == ["", None, None, "*", "x"]
    assert json.loads(arrow.schema.metadata[b"suppressed"]) == [[2, 0]]
    assert (rendered.shown["rows"][0], rendered.shown["suppressed"]) == ([""], [[], [], ["name"], [], []])


def test_a_quantile_has_its_interval_beside_it() -> None:
    ends = (Decimal("0"), Decimal("15.5"))
    located = AnswerTable((AnswerColumn("k", "string"), AnswerColumn("m", "decimal", True, True)),
                          (("a", Decimal("7")), ("b", None)), ((False, False), (False, True)),
                          ((None, Decimal("3.9")), (None, None)), ((None, ends), (None, None)))  # fmt: skip
    assert table_of(content_of(located)) == located
    rendered = render_table(located, "release-1", SOURCE)
    assert rendered.shown["intervals"] == [[None, ["0", "15.5"]], [None, None]]
    assert content(rendered, "csv").decode().splitlines()[2:] == [
        "k,m,m (se),m (from),m (to)",
        "a,7,3.9,0,15.5",
        "b,*,,,",
    ]
    arrow = pa.ipc.open_file(content(rendered, "arrow")).read_all()
    assert arrow.column("m (to)").to_pylist() == [Decimal("15.5"), None]
    assert json.loads(arrow.schema.metadata[b"suppressed"]) == [[1, 1]]


def test_an_exact_table_has_no_columns_of_errors() -> None:
    rendered = render_table(EXACT, "release-1", SOURCE)
    assert rendered.shown["errors"] == [[None] * 5] * 2
    assert b"(se)" not in content(rendered, "csv")
    table = pa.ipc.open_file(content(rendered, "arrow")).read_all()
    assert table.column_names == ["name", "n", "mean", "day", "ok"]
    assert json.loads(table.schema.metadata[b"suppressed"]) == [[1, 1], [1, 2]]
    assert table_of(content_of(EXACT)) == EXACT
