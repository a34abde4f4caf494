"""One table, written in every encoding, delimiter, header and date format, registers and gives the same answers.

Through draft, check, snapshot and scan, against DuckDB over the values themselves.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.open import open_source
from adapters.snapshot.build import Layout, build
from adapters.source import Input, SourceSpec, take_manifest
from adapters.text.encoding import Encoding
from jobs.kinds.base import Limits
from jobs.kinds.statistics import scan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.expr import Col
from jobs.schema import CatalogueView, Dataset, Holding
from jobs.stored import stored_columns
from sandbox.catalogue.check import check_data
from sandbox.catalogue.draft import Draft, draft
from sandbox.catalogue.reading import ColumnReading, Reading, read_as

TOWNS = ["北京市朝阳区", "上海市浦东新区", "广州市天河区"]
WESTERN = ["Zürich", "Genève", "Köln"]
NAMES = ["person", "town", "code", "score", "cost", "day", "moment"]
CHINESE = ["人员编号", "所在地区", "机构.代码", "评分", "费用", "就诊日期", "登记时间"]
ROW = st.fixed_dictionaries(
    {
        "person": st.none() | st.integers(0, 8).map("p{}".format),
        "town": st.none() | st.integers(0, 2),
        "code": st.none() | st.sampled_from(["007", "010", "7"]),
        "score": st.none() | st.integers(-50, 9007199254740993),
        "cost": st.none() | st.integers(-(10**11), 10**11).map(lambda cents: Decimal(cents).scaleb(-2)),
        "day": st.none() | st.dates(dt.date(1950, 1, 1), dt.date(2024, 12, 31)),
        "moment": st.none() | st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2024, 12, 31)).map(lambda t: t.replace(microsecond=0)),
    }
)  # fmt: skip
EVERYWHERE: list[dict[str, Any]] = [
    {"person": f"p{n}", "town": n % 3, "code": "007", "score": n, "cost": Decimal("1.25"),
     "day": dt.date(2001, 2, 13 + n), "moment": dt.datetime(2001, 2, 13 + n, 8, 30)} for n in range(3)
]  # fmt: skip
EVERYWHERE += [dict.fromkeys(NAMES) | {"person": "p0"}, dict.fromkeys(NAMES) | {"score": 1}]
"""With these, every draft sees blanks, days that only one format can mean, and towns enough to tell Chinese from Western text."""
TYPES = pa.schema(
    [("person", pa.string()), ("town", pa.int64()), ("code", pa.string()), ("score", pa.int64()),
     ("cost", pa.decimal128(18, 2)), ("day", pa.date32()), ("moment", pa.timestamp("us"))]
)  # fmt: skip
CONDITIONS = ["score <= 9007199254740990", "cost >= 30000000", "cost BETWEEN -1.5 AND 30000000.25", "cost + cost < 60000000",
              "score > 17", "day >= '1990-06-01'", "moment < '2010-01-01 08:00:00'", "code IS NULL", "town IS NOT NULL"]  # fmt: skip
OUTPUTS = "COUNT(*) AS n, COUNT(town) AS t, COUNT(score) AS c, SUM(cost) AS s, SUM(score) AS w"


def written(rows: list[dict[str, Any]], header: list[str], day: str, towns: list[str], delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(header)
    for row in rows:
        shown = {
            **row,
            "town": None if row["town"] is None else towns[row["town"]],
            "day": row["day"] and row["day"].strftime(day),
            "moment": row["moment"] and row["moment"].strftime(f"{day} %H:%M:%S"),
        }
        writer.writerow(["" if shown[name] is None else str(shown[name]) for name in NAMES])
    return out.getvalue()


def renamed(found: Draft) -> tuple[Dataset, Reading]:
    """As its owner would correct the draft: the names that the questions use, exact answers."""
    names = dict(zip((column.name for column in found.dataset.columns), NAMES, strict=True))
    columns = [{**column.model_dump(), "name": names[column.name]} for column in found.dataset.columns]
    value = found.dataset.model_dump() | {"columns": columns, "unit": "person", "profile": "open@1"}
    headers = {new: ColumnReading(column=old) for old, new in names.items() if old != new}
    return Dataset.model_validate(value), found.reading.model_copy(
        update={"columns": headers | {names[old]: how for old, how in found.reading.columns.items()}}
    )


def registered(folder: Path, spec: SourceSpec, dataset: Dataset, reading: Reading) -> Any:
    """What registration does, and a scan of its snapshot."""
    spec = read_as(dataset, spec, reading)
    source = open_source(spec)
    check_data(dataset, source)
    layout = Layout("t", "d", dataset.unit, "person", stored_columns(dataset), bytes(range(32)))
    reader = source.read([column.name for column in dataset.columns])
    return spec, source, build(folder / "snapshot", layout, "v", reader, 10)


def check_answers(dataset: Dataset, given_: Input, where: str, rows: list[dict[str, Any]]) -> None:
    """Each number that the plan computes against DuckDB over the values."""
    holding = Holding(dataset="t", owner="o", node="n", provider="p", version_commitment="x", max_rows=1000)
    plan = compile_sql(
        f"SELECT {OUTPUTS} FROM t WHERE {where}", CatalogueView(datasets=(dataset,), holdings=(holding,))
    )
    result = scan.scan(plan, {}, {"t": given_}, Limits(256 << 20, 1), 0, 1)
    table = pa.Table.from_pylist([row for row in rows if row["person"] is not None], schema=TYPES)
    with duckdb.connect() as connection:
        connection.register("t", table)
        for channel, values in zip(plan.channels, result.values, strict=True):
            name = channel.column.name if isinstance(channel.column, Col) else "*"
            unit = 1 if name == "*" else 10 ** dataset.column(name).decimals
            sql = f"count({name})" if channel.kind == "rows" else f"coalesce(sum({name}) * {unit}, 0)"
            assert values == [int(connection.execute(f"SELECT {sql} FROM t WHERE {where}").fetchall()[0][0])]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(ROW, max_size=12),
    way=st.sampled_from([("utf-8", TOWNS), ("gb18030", TOWNS), ("gbk", TOWNS), ("utf-16", TOWNS), ("utf-8", WESTERN),
                         ("latin-1", WESTERN), ("windows-1252", WESTERN)]),
    header=st.sampled_from([NAMES, CHINESE]),
    day=st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    where=st.sampled_from(CONDITIONS),
)  # fmt: skip
def test_the_same_table_gives_the_same_answers_however_it_is_written(
    rows: list[dict[str, Any]], way: tuple[Encoding, list[str]], header: list[str], day: str, delimiter: str, where: str
) -> None:
    encoding, towns = way
    if towns is WESTERN and header is CHINESE:
        header = ["Person.ID", *NAMES[1:]]
    rows = EVERYWHERE + rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "t.csv").write_bytes(written(rows, header, day, towns, delimiter).encode(encoding))
        spec = SourceSpec(kind="csv", path=str(folder / "t.csv"))
        found = draft(spec, "t", header[0])
        assert found.reading.encoding in (encoding, {"gbk": "gb18030", "latin-1": "windows-1252"}.get(encoding))
        dataset, reading = renamed(found)
        spec, source, ref = registered(folder, spec, dataset, reading)
        check_answers(dataset, Input(spec, take_manifest(source), ref), where, rows)
