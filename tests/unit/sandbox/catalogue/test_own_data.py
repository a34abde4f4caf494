"""A stranger's own file: what is drafted registers, what registers runs, and a refusal says column, row and rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from adapters.errors import BadSource
from adapters.source import Input, SourceSpec
from jobs.documents import RootKeys, SigningKey
from jobs.kinds.base import Limits
from jobs.kinds.statistics import scan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.schema import Bounds, CatalogueView, Dataset, Holding
from sandbox.catalogue.check import DataRefused
from sandbox.catalogue.draft import Draft, draft
from sandbox.catalogue.reading import ColumnReading, Reading
from sandbox.catalogue.register import leave_out, register
from sandbox.cli.data import app
from sandbox.cli.dataset_file import read_dataset_file
from sandbox.errors import InvalidSpec
from sandbox.keys import Trust
from sandbox.node.state import Held, NodeState

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
OWNER = ("o", "node-o", [SigningKey.from_seed(bytes(range(32)))], NOW)
UNITS = [f"u{n}" for n in range(30)]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[NodeState]:
    root = RootKeys(keys=(SigningKey.from_seed(bytes(32)).public.text,), threshold=1)
    made = NodeState(tmp_path / "node", Trust(root=root, origin="log.example/x"))
    yield made
    made.close()


def written(folder: Path, text: str, encoding: str = "utf-8") -> SourceSpec:
    (folder / "t.csv").write_bytes(text.encode(encoding))
    return SourceSpec(kind="csv", path=str(folder / "t.csv"))


def table(folder: Path, **columns: Any) -> SourceSpec:
    pq.write_table(pa.table({"unit_id": UNITS, **columns}), folder / "t.parquet")
    return SourceSpec(kind="parquet", path=str(folder / "t.parquet"))


def changed(found: Dataset, name: str = "", column: dict[str, Any] | None = None, **fields: Any) -> Dataset:
    columns = [c.model_dump() | (column or {} if c.name == name else {}) for c in found.columns]
    return Dataset.model_validate(found.model_dump() | {"columns": columns, "profile": "open@1"} | fields)


def held(state: NodeState, spec: SourceSpec, dataset: Dataset, reading: Reading | None = None) -> Held:
    return register(
        state, dataset, spec, *OWNER, rows_at_most=1000, label="x", data_until=NOW, reading=reading
    )[0]  # fmt: skip


def answer(item: Held, sql: str) -> list[list[int]]:
    """Each channel's values: a scan of the snapshot, as a job makes it."""
    holding = Holding(dataset="t", owner="o", node="n", provider="p", version_commitment="x", max_rows=1000)
    plan = compile_sql(sql, CatalogueView(datasets=(item.dataset,), holdings=(holding,)))
    given = {"t": Input(item.source, item.manifest, item.snapshot)}
    return list(scan.scan(plan, {}, given, Limits(256 << 20, 1), 0, 1).values)


def test_floats_that_a_draft_rounds_run(state: NodeState, tmp_path: Path) -> None:
    values = [n / 7 for n in range(30)]
    spec = table(tmp_path, x=values)
    found = draft(spec, "t", "unit_id")
    assert (found.dataset.column("x").rounded, found.dataset.column("x").decimals) == (True, 3)
    assert "rounded to 3 decimals" in " ".join(found.notes)
    item = held(state, spec, changed(found.dataset))
    assert answer(item, "SELECT SUM(x) AS s FROM t")[-1] == [sum(int(value * 1000 + 0.5) for value in values)]


@pytest.mark.parametrize(
    "condition", ["x + y <= 60000000", "x + y >= 60000000", "x + y BETWEEN 30000000 AND 60000000.5"]
)
def test_decimals_are_compared_with_numbers_whose_scaled_form_needs_more_than_32_bits(
    state: NodeState, tmp_path: Path, condition: str
) -> None:
    """A sum is evaluated by the database, which makes products of small numbers in 32 bits."""
    values = [Decimal(n * 2_000_000) + Decimal("0.25") for n in range(30)]
    money = pa.array(values, pa.decimal128(18, 2))
    spec = table(tmp_path, x=money, y=money)
    item = held(state, spec, changed(draft(spec, "t", "unit_id").dataset))
    python = condition.replace("x + y BETWEEN 30000000 AND 60000000.5", "30000000 <= x + y <= 60000000.5")
    wanted = sum(eval(python, {"x": value, "y": value}) for value in values)  # noqa: S307 - the test's own text
    assert 0 < wanted < 30
    assert answer(item, f"SELECT COUNT(*) AS n FROM t WHERE {condition}") == [[wanted]]


def test_integers_beyond_2_to_the_53_run_and_may_be_a_domain_written_as_texts(state: NodeState, tmp_path: Path) -> None:
    first = 2**53 + 1
    spec = table(tmp_path, x=[first + n % 2 for n in range(30)])
    found = draft(spec, "t", "unit_id").dataset
    assert found.column("x").domain is None
    item = held(state, spec, changed(found))
    assert answer(item, f"SELECT COUNT(*) AS n FROM t WHERE x <= {first}") == [[15]]
    item = held(state, spec, changed(found, "x", {"domain": (str(first), str(first + 1)), "role": "known"}))
    assert answer(item, "SELECT x, COUNT(*) AS n FROM t GROUP BY x") == [[15, 15]]


def test_numbers_of_28_digits_are_left_out_of_a_draft_and_refused_in_words(state: NodeState, tmp_path: Path) -> None:
    large = [Decimal(f"1234567890123456789.{n:09}") for n in range(30)]
    spec = table(tmp_path, x=pa.array(large, pa.decimal128(28, 9)), y=[Decimal("123456789.12")] * 30)
    found = draft(spec, "t", "unit_id")
    assert found.dataset.column("x").rounded
    assert found.dataset.column("x").decimals == 0
    declared = changed(found.dataset, "x", {"decimals": 9, "rounded": False, "bounds": None})
    with pytest.raises(DataRefused, match=r"x has more than 18 digits with its decimals in 30 row\(s\)"):
        held(state, spec, declared)
    larger = table(tmp_path, x=pa.array([value * 10 for value in large], pa.decimal128(38, 9)))
    found = draft(larger, "t", "unit_id")
    assert [column.name for column in found.dataset.columns] == ["unit_id"]
    assert "x has numbers beyond 18 digits" in " ".join(found.notes)


def test_a_day_as_the_last_bound_of_times_is_all_of_that_day(state: NodeState, tmp_path: Path) -> None:
    spec = table(tmp_path, at=pa.array([datetime(2024, 12, 31, 23, 59, 59)] * 30))
    declared = changed(
        draft(spec, "t", "unit_id").dataset,
        "at",
        {"domain": None, "bounds": {"low": "2024-01-01", "high": "2024-12-31"}},
    )
    item = held(state, spec, declared)
    assert answer(item, "SELECT COUNT(*) AS n FROM t WHERE at >= '2024-12-31 23:00:00'") == [[30]]
    early = {"domain": None, "bounds": {"low": "2024-01-01", "high": "2024-12-31T23:00:00"}}
    with pytest.raises(DataRefused, match="outside its bounds"):
        held(state, spec, changed(declared, "at", early))


def test_units_that_differ_in_case_and_edges_are_one_where_that_is_declared(state: NodeState, tmp_path: Path) -> None:
    spec = written(tmp_path, "who,x\nab1 ,1\nAB1,2\n Ab1,3\ncd2,4\n  ,5\n")
    found = draft(spec, "t", "who")
    assert found.dataset.column("who").fold
    assert "one individual (fold: true)" in " ".join(found.notes)
    declared = changed(found.dataset, null_units="exclude")
    distinct = "SELECT COUNT(DISTINCT who) AS n FROM t"
    item = held(state, spec, declared)
    assert answer(item, distinct) == [[2]]
    assert answer(held(state, spec, changed(declared, "who", {"fold": False})), distinct) == [[5]]  # the control
    with pytest.raises(DataRefused, match="more rows than rows_per_unit"):
        held(state, spec, changed(declared, rows_per_unit=2))
    held(state, spec, declared)
    left = leave_out(state, "who", ["aB1", "zz9"], *OWNER)
    assert left.here == 1
    assert answer(left.held[0], distinct) == [[1]]


@pytest.mark.parametrize("fold", [{"type": "int"}, {"type": "string", "domain": ("a",)}])
def test_only_texts_fold_and_their_domain_is_folded(fold: dict[str, Any]) -> None:
    from jobs.schema import Column

    with pytest.raises(ValueError, match="fold"):
        Column.model_validate({"name": "x", "role": "known", "fold": True, **fold})


@pytest.mark.parametrize("text", ["who,x\n", ""])
def test_a_file_without_rows_says_so(state: NodeState, tmp_path: Path, text: str) -> None:
    spec = written(tmp_path, text)
    with pytest.raises((InvalidSpec, BadSource), match=r"no row|is empty"):
        draft(spec, "t", "who")
    declared = draft(written(tmp_path, "who,x\na,1\n"), "t", "who").dataset
    with pytest.raises((InvalidSpec, BadSource), match=r"no row|is empty"):
        held(state, written(tmp_path, text), changed(declared))


def test_a_refusal_names_rows_and_keeps_their_values_apart(state: NodeState, tmp_path: Path) -> None:
    spec = written(tmp_path, "who,x\na,1\nb,4711\n")
    declared = changed(draft(spec, "t", "who").dataset, "x", {"domain": None, "bounds": {"low": "0", "high": "9"}})
    with pytest.raises(DataRefused) as refused:
        held(state, spec, declared)
    assert "4711" not in str(refused.value)
    assert refused.value.examples == ("x is outside its bounds in 1 row(s): row 2: 4711",)
    late = written(tmp_path, "who,x\n" + "a,1\n" * 9 + "a,canary\n")
    with pytest.raises(DataRefused, match="column x: row 10 is no whole number") as unread:
        held(state, late, declared)
    assert "canary" not in str(unread.value)
    assert unread.value.examples == ("column x: row 10 is no whole number (of at most 18 digits): x, row 10: 'canary'",)


def test_headers_and_dates_of_one_owner_are_mapped_and_signed_by_nobody(state: NodeState, tmp_path: Path) -> None:
    spec = written(
        tmp_path, "编号;出生.日期\n" + "".join(f"甲{n};{n % 27 + 1}.07.2024\n" for n in range(30)), "gb18030"
    )
    found = draft(spec, "t", "编号")
    assert found.reading == Reading(
        encoding="gb18030",
        delimiter=";",
        columns={
            "column_1": ColumnReading(column="编号"),
            "column_2": ColumnReading(column="出生.日期", formats=("%d.%m.%Y",)),
        },
    )
    assert found.dataset.column("column_2").title == "出生.日期"
    assert "gb18030" in found.notes[0]
    item = held(state, spec, changed(found.dataset), found.reading)
    assert answer(item, "SELECT COUNT(*) AS n FROM t WHERE column_2 < '2024-07-11'") == [[13]]
    assert "编号".encode() not in item.record.payload
    with pytest.raises(DataRefused, match="the data has no column column_1"):
        held(state, spec, changed(found.dataset), Reading(encoding="gb18030", delimiter=";"))
    with pytest.raises(InvalidSpec, match="other is no column"):
        held(state, spec, changed(found.dataset), Reading(columns={"other": ColumnReading(column="编号")}))


def test_the_draft_file_is_read_again_with_how_the_data_are_read(tmp_path: Path) -> None:
    spec = written(tmp_path, "Unit ID,x\n" + "".join(f"p{n},{n}\n" for n in range(30)))
    found = CliRunner().invoke(
        app, ["describe", spec.path, "--name", "t", "--unit", "Unit ID", "--out", str(tmp_path / "t.yaml")]
    )
    assert found.exit_code == 0, found.output
    dataset, reading = read_dataset_file(tmp_path / "t.yaml")
    assert dataset.unit == "unit_id"
    assert reading.columns == {"unit_id": ColumnReading(column="Unit ID")}
    (tmp_path / "t.yaml").write_text((tmp_path / "t.yaml").read_text() + "  encodin: utf-8\n")
    with pytest.raises(InvalidSpec, match="encodin"):
        read_dataset_file(tmp_path / "t.yaml")


def drafted(folder: Path, header: str, value: Callable[[int], str]) -> Draft:
    return draft(written(folder, f"who,{header}\n" + "".join(f"p{n},{value(n)}\n" for n in range(40))), "t", "who")


@pytest.mark.parametrize(
    ("header", "value", "says"),
    [
        ("x", lambda n: f"1391234{n:04}", "phone numbers"),
        ("name", lambda n: f"Ann {'abcdefghij'[n % 10]}xy", "names of persons"),
        ("x", lambda n: f"王{'甲乙丙丁戊己庚辛'[n % 8]}", "names of persons"),
        ("x", lambda n: f"visit {n} because of a cough", "free text"),
    ],
)
def test_columns_that_look_like_persons_are_warned_of_and_have_no_domain(
    tmp_path: Path, header: str, value: Callable[[int], str], says: str
) -> None:
    found = drafted(tmp_path, header, value)
    column = found.dataset.column(header)
    assert column.domain is None
    assert column.role.value == "identifier"
    assert any(note.startswith(f"{header} looks like {says}") for note in found.notes)


BOUNDS = {
    (0, 1300): ("0", "2000"),
    (18, 100): ("10", "200"),
    (-43, 50): ("-50", "100"),
    (-1, -1): ("-2", "0"),
    (20, 21): ("10", "50"),
}


@pytest.mark.parametrize("ends", BOUNDS)
def test_bounds_lie_beyond_the_data_at_round_numbers(tmp_path: Path, ends: tuple[int, int]) -> None:
    spec = table(tmp_path, x=[ends[0]] * 15 + [ends[1]] * 15, y=[Decimal("0.5")] * 30)
    found = draft(spec, "t", "unit_id").dataset
    assert found.column("x").bounds == Bounds(low=BOUNDS[ends][0], high=BOUNDS[ends][1])
    assert found.column("y").bounds == Bounds(low="0.2", high="1")  # of a type that has no room for a round number
