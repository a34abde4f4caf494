"""Texts of people's files as the values that they stand for; what is none is marked and named by column and row."""

from __future__ import annotations

import codecs
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.errors import BadSource
from adapters.open import open_plain, open_source
from adapters.source import ReadColumn, SourceSpec
from adapters.text.encoding import Encoding, detect
from adapters.text.fold import folded
from adapters.text.guess import declarable, guess
from adapters.text.parse import TextType, parse

D = Decimal


def values(type_: TextType, texts: list[str | None], *formats: str) -> list[Any]:
    found: list[Any] = parse(pa.array(texts, pa.string()), type_, formats).values.to_pylist()
    return found


def bad(type_: TextType, texts: list[str | None], *formats: str) -> list[bool]:
    found: list[bool] = parse(pa.array(texts, pa.string()), type_, formats).bad.to_pylist()
    return found


CASES: dict[str, tuple[TextType, list[str | None], list[Any]]] = {
    "whole numbers": ("int", ["1", " -2 ", "+3", "4.0", "007", "9007199254740993"], [1, -2, 3, 4, 7, 9007199254740993]),
    "the ends of 64 bits": ("int", ["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
    "missing numbers": ("int", ["", None, "NA", "NULL", " "], [None] * 5),
    "exact decimals": ("decimal", ["1.10", ".5", "5.", "2.25e-3", "12345678901234567890.12"],
                       [D("1.1"), D("0.5"), D(5), D("0.00225"), D("12345678901234567890.12")]),
    "truth": ("bool", ["true", "FALSE", "1", ""], [True, False, True, None]),
    "a blank text is missing and NA is a text": ("string", ["", "NA", " x "], [None, "NA", " x "]),
    "days": ("date", ["2024-02-29", ""], [date(2024, 2, 29), None]),
    "times": ("timestamp", ["2024-01-02 03:04", "2024-01-02T03:04:05.1234567", "2024-01-02"],
              [datetime(2024, 1, 2, 3, 4), datetime(2024, 1, 2, 3, 4, 5, 123456), datetime(2024, 1, 2)]),
    "times with a zone are those of UTC": ("timestamp", ["2024-01-02T03:04:05+08:00", "2024-01-02 03:04:05Z"],
                                           [datetime(2024, 1, 1, 19, 4, 5), datetime(2024, 1, 2, 3, 4, 5)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_a_text_stands_for(name: str) -> None:
    type_, texts, wanted = CASES[name]
    assert values(type_, texts) == wanted
    assert not any(bad(type_, texts))


BAD: dict[TextType, list[str | None]] = {
    "int": ["1.5", "x", "9223372036854775808", "1e3", "١"],
    "decimal": ["1,5", "inf", "0x1", "123456789012345678901", "1.2.3"],
    "bool": ["yes", "2"],
    "date": ["2024-02-30", "19.07.2024", "2024-13-01", "x2024-01-01"],
    "timestamp": ["2024-02-30 00:00:00", "2024-01-01 25:00:00", "noon"],
}


@pytest.mark.parametrize("type_", BAD)
def test_what_stands_for_nothing_is_marked(type_: TextType) -> None:
    assert all(bad(type_, BAD[type_]))


def test_a_number_finer_than_is_kept_never_passes_for_a_coarser_one() -> None:
    (found,) = values("decimal", ["0.5000000000000000000001"])
    assert found != D("0.5")
    assert round(found, 9) == D("0.5")


FORMATS = ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%Y%m%d", "%Y年%m月%d日", "%m/%d/%Y"]


@settings(max_examples=60, deadline=None)
@given(days=st.lists(st.dates(date(1000, 1, 1)), min_size=1), format_=st.sampled_from(FORMATS), short=st.booleans())
def test_a_day_written_in_a_format_is_that_day(days: list[date], format_: str, short: bool) -> None:
    def written(day: date) -> str:
        if short and format_ != "%Y%m%d":
            return format_.replace("%Y", str(day.year)).replace("%m", str(day.month)).replace("%d", str(day.day))
        return day.strftime(format_)

    assert values("date", [written(day) for day in days], format_) == days


def test_several_formats_and_times() -> None:
    assert (
        values("date", ["2024/7/9", "09.07.2024", "20240709"], "%Y/%m/%d", "%d.%m.%Y", "%Y%m%d")
        == [date(2024, 7, 9)] * 3
    )
    assert values("timestamp", ["09.07.2024 7:05"], "%d.%m.%Y %H:%M") == [datetime(2024, 7, 9, 7, 5)]
    assert bad("timestamp", ["09.07.2024 24:05"], "%d.%m.%Y %H:%M") == [True]


@pytest.mark.parametrize("formats", [("%d/%m/%Y", "%m/%d/%Y"), ("%d/%m",), ("%d/%m/%Y %p",), ("%Y-%m-%d %Y",)])
def test_formats_that_mean_two_dates_or_none_are_refused(formats: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        ReadColumn(name="d", column="d", type="date", formats=formats)


def test_case_and_edges_are_folded_and_what_is_empty_then_is_missing() -> None:
    assert folded(pa.array(["ab1 ", "AB1", " \u3000", None, "ä"])).to_pylist() == ["AB1", "AB1", None, None, "Ä"]


def csv(folder: Path, text: str, encoding: Encoding = "utf-8", **fields: Any) -> SourceSpec:
    (folder / "t.csv").write_bytes(text.encode(encoding))
    return SourceSpec(kind="csv", path=str(folder / "t.csv"), encoding=encoding, **fields)


TEXTS: dict[Encoding, str] = {
    "utf-8": "名,a\n张三,1\n",
    "utf-16": "名,a\n张三,1\n",
    "gb18030": "名,a\n张三先生在北京,1\n",
    "windows-1252": "a,b\nMüller,été\n€,x\n",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_the_encoding_is_found_out(tmp_path: Path, encoding: Encoding) -> None:
    spec = csv(tmp_path, TEXTS[encoding], encoding)
    assert detect([Path(spec.path)]) == encoding
    found = open_source(spec)
    assert found.read(found.schema.names).read_all().num_rows == len(TEXTS[encoding].splitlines()) - 1


def test_western_text_that_is_valid_gb18030_too_is_western(tmp_path: Path) -> None:
    text = "name\nMüller\nFrançois\nJosé Lopez\nAndré Lee\n".replace("é ", "éa")
    text.encode("latin-1").decode("gb18030")  # the control: it can be read so
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    assert detect([tmp_path / "t.csv"]) == "windows-1252"


def test_a_mark_at_the_beginning_is_no_part_of_the_first_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(codecs.BOM_UTF8 + b"a,b\n1,2\n")
    assert open_source(SourceSpec(kind="csv", path=str(tmp_path / "t.csv"))).schema.names == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n3\n", "t.csv has 2 columns, and 1 values in row 2"),
        ("a,a\n1,2\n", "two columns of one name"),
        ("", "is empty"),
        ("a,b\n1,\u5f20\n", "not text in utf-8: declare its encoding"),
    ],
)
def test_a_file_that_is_no_table_says_why_and_shows_nothing(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode("gb18030"))
    with pytest.raises(BadSource, match=says):
        open_source(SourceSpec(kind="csv", path=str(tmp_path / "t.csv")))


def test_bad_values_are_named_by_column_and_row_and_shown_apart(tmp_path: Path) -> None:
    columns = (
        ReadColumn(name="age", column="年龄", type="int"),
        ReadColumn(name="day", column="day", type="date"),
    )
    spec = csv(tmp_path, "年龄,day\n1,2024-01-01\ncanary,canary\nx,\n", columns=columns)
    with pytest.raises(BadSource) as refused:
        open_source(spec).read(["age", "day"]).read_all()
    assert str(refused.value) == (
        "column age ('年龄'): row 2 is no whole number (of at most 18 digits), and 1 more by row 3; "
        "column day: row 2 is no date in a declared format"
    )
    assert refused.value.examples[0] == "age, row 2: 'canary'"


def test_times_with_and_without_a_zone_are_never_mixed(tmp_path: Path) -> None:
    columns = (ReadColumn(name="at", column="at", type="timestamp"),)
    spec = csv(tmp_path, "at\n2024-01-01 00:00:00\n2024-01-01T00:00:00Z\n", columns=columns)
    with pytest.raises(BadSource, match="row 2 has a time zone"):
        open_source(spec).read(["at"]).read_all()


GUESSES: dict[str, tuple[list[str], TextType, tuple[str, ...], str]] = {
    "integers": (["1", "", "3.0"], "int", (), ""),
    "codes": (["007", "10"], "string", (), "leading zeros"),
    "large": (["1", "12345678901234567890"], "string", (), "more than 18 digits"),
    "decimals": (["1.5", "2"], "decimal", (), ""),
    "late": (["1"] * 19 + ["x"], "string", (), "whole numbers but for 1 row(s), the first of them 20"),
    "mixed days": (["2024/07/19", "19.07.2024", "20240719", ""], "date", ("%Y/%m/%d", "%Y%m%d", "%d.%m.%Y"), "each is meant"),
    "American days": (["01/02/2024", "12/31/2024"], "date", ("%m/%d/%Y",), "is written as"),
    "days that could be two": (["01/02/2024", "03/04/2024"], "string", (), "cannot be told apart"),
    "days of both orders": (["13/02/2024", "03/14/2024"], "string", (), "cannot be told apart"),
    "numbers that are days": (["20240719"], "date", ("%Y%m%d",), "8 digits"),
    "zoned": (["2024-01-01T00:00:00+08:00"], "timestamp", (), "UTC"),
    "half zoned": (["2024-01-01T00:00:00Z", "2024-01-01 00:00"], "string", (), "with a zone and times without"),
    "times": (["19.07.2024 08:00"], "timestamp", ("%d.%m.%Y %H:%M",), "is written as"),
    "nothing": (["", ""], "string", (), "no value"),
}  # fmt: skip


@pytest.mark.parametrize("name", GUESSES)
def test_what_a_column_is_judged_to_be(tmp_path: Path, name: str) -> None:
    texts, type_, formats, says = GUESSES[name]
    (found, _) = guess(open_plain(csv(tmp_path, "x,y\n" + "".join(f"{text},1\n" for text in texts))))
    assert (found.column.type, found.column.formats) == (type_, formats)
    assert says in " ".join(found.notes)


def test_headers_become_names_each_its_own() -> None:
    headers = ["年龄", "Unit.ID", "unit_id", "x", "a b", "A-B", "3rd"]
    assert declarable(headers) == {
        "年龄": "column_1", "Unit.ID": "unit_id_2", "unit_id": "unit_id", "x": "x", "a b": "a_b", "A-B": "a_b_6",
        "3rd": "column_7",
    }  # fmt: skip


def test_headers_of_typed_files_are_mapped_too(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    stamps = pa.array([datetime(2024, 1, 1, tzinfo=UTC)])
    pq.write_table(pa.table({"年龄": [7], "日期": ["19.07.2024"], "at": stamps}), tmp_path / "t.parquet")
    columns = (
        ReadColumn(name="age", column="年龄"),
        ReadColumn(name="day", column="日期", type="date", formats=("%d.%m.%Y",)),
    )
    source = open_source(SourceSpec(kind="parquet", path=str(tmp_path / "t.parquet"), columns=columns))
    assert source.schema.names == ["age", "day", "at"]
    assert source.read(["day", "age"]).read_all().to_pylist() == [{"day": date(2024, 7, 19), "age": 7}]
