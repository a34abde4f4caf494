"""The same file under two names: one budget, one system of the audit, and noise that knows the rows it is about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert

from adapters.source import SourceSpec
from jobs.documents import RootKeys, SigningKey
from jobs.schema import Bounds, Column, ColumnType, Dataset, Role
from sandbox.catalogue.register import leave_out, register
from sandbox.errors import BudgetExceeded
from sandbox.keys import Trust
from sandbox.node.asking import rows_digest
from sandbox.node.ledger import Charge, reserve, spent
from sandbox.node.state import Held, NodeState
from sandbox.node.tables import jobs

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = SigningKey.from_seed(bytes(range(32)))
OWNER = ("ewr", "node-ewr", [KEY], NOW)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[NodeState]:
    root = RootKeys(keys=(SigningKey.from_seed(bytes(32)).public.text,), threshold=1)
    made = NodeState(tmp_path / "node", Trust(root=root, origin="log.example/x"))
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def dataset(name: str) -> Dataset:
    who = Column(name="who", type=ColumnType.STRING, role=Role.UNIT, unit_domain="person", nullable=False)
    x = Column(name="x", type=ColumnType.INT, role=Role.MEASURE, bounds=Bounds(low="0", high="1000"))
    return Dataset(name=name, unit="who", legal_basis="test", columns=(who, x))


def write(file: Path, first: int) -> Path:
    file.parent.mkdir(exist_ok=True)
    numbers = range(first, first + 40)
    pq.write_table(pa.table({"who": [f"p{n}" for n in numbers], "x": list(numbers)}), file)
    return file


def registered(state: NodeState, name: str, path: Path, **options: Any) -> Held:
    wanted = {"rows_at_most": 1000, "label": "v", "data_until": NOW, **options}
    register(state, dataset(name), SourceSpec(kind="parquet", path=str(path)), *OWNER, **wanted)
    return held(state, name)


def held(state: NodeState, name: str) -> Held:
    with state.read() as connection:
        return state.held(connection)[name]


def charge(state: NodeState, held: Held, amount: int, permit: str) -> None:
    limit = Charge(f"cells {held.lineage}", amount, 10, "used up", tuple(f"cells {kin}" for kin in held.kin))
    row = {"permit": permit, "nonce": permit, "job": permit, "state": "open", "order": b"", "deadline": "", "seen": 0}
    with state.write() as connection:
        connection.execute(insert(jobs).values(**row, now_used=""))
        reserve(connection, permit, [limit], "2026-01-02T00:00:00Z")


@pytest.mark.parametrize("again", ["a", "b"])
def test_the_same_file_registered_twice_has_no_fresh_budget(state: NodeState, folder: Path, again: str) -> None:
    file = write(folder / "one.parquet", 0)
    first = registered(state, "a", file)
    charge(state, first, 8, "one")
    second = registered(state, again, write(folder / "elsewhere" / "two.parquet", 0))
    assert second.lineage != first.lineage
    with pytest.raises(BudgetExceeded, match="8 of 10 used, 3 asked for"):
        charge(state, second, 3, "two")
    charge(state, second, 2, "three")  # the control: what is left is there
    with pytest.raises(BudgetExceeded, match="10 of 10 used"):
        charge(state, held(state, "a"), 1, "four")
    other = registered(state, "c", write(folder / "other.parquet", 500))  # and other rows have their own
    charge(state, other, 10, "five")


def test_one_job_over_two_names_of_a_file_is_charged_for_both(state: NodeState, folder: Path) -> None:
    one = registered(state, "a", write(folder / "one.parquet", 0))
    two = registered(state, "b", write(folder / "two.parquet", 0))
    one = held(state, "a")
    charges = [
        Charge(item.lineage, 6, 10, "used up", item.kin) for item in (one, two)
    ]  # each is within the limit, both are not
    with state.write() as connection, pytest.raises(BudgetExceeded, match="6 of 10 used, 6 asked for"):
        reserve(connection, "p", charges, "2026-01-02T00:00:00Z")
    with state.read() as connection:
        assert spent(connection, one.lineage, two.lineage) == 0


def test_secret_columns_of_one_file_are_one_system_whatever_it_is_called(state: NodeState, folder: Path) -> None:
    assert registered(state, "a", write(folder / "one" / "x.parquet", 0)).roots == ("a",)
    assert registered(state, "b", write(folder / "two" / "y.parquet", 0)).roots == ("a",)
    assert held(state, "a").roots == ("a",)
    assert registered(state, "c", write(folder / "three" / "x.parquet", 500)).roots == ("c",)


def test_a_dataset_keeps_its_system_and_joins_that_of_files_that_it_takes_in(state: NodeState, folder: Path) -> None:
    """What was answered about either stays known: a file is asked about where it was first registered, ever after."""
    registered(state, "a", write(folder / "one" / "x.parquet", 0))
    registered(state, "b", write(folder / "two" / "x.parquet", 500))
    write(folder / "two" / "y.parquet", 0)
    assert registered(state, "b", folder / "two").roots == ("b", "a")
    assert held(state, "a").roots == ("a",)
    write(folder / "two" / "y.parquet", 900)  # also when the file has gone again, and under a third name
    assert registered(state, "b", folder / "two").roots == ("b", "a")
    assert registered(state, "d", write(folder / "four" / "z.parquet", 500)).roots == ("b", "a")


def test_noise_is_made_for_exact_rows(state: NodeState, folder: Path) -> None:
    first = registered(state, "a", write(folder / "one" / "x.parquet", 0))

    def digest(*names: str) -> str:
        with state.read() as connection:
            known = state.held(connection)
            return rows_digest(connection, {name: known[name] for name in names})

    before = digest("a")
    again = registered(state, "a", write(folder / "two" / "renamed.parquet", 0))
    assert again.version != first.version
    assert digest("a") == before  # the same rows at another time, from a file of another name
    registered(state, "b", write(folder / "three" / "x.parquet", 500))
    assert len({before, digest("b"), digest("a", "b")}) == 3
    leave_out(state, "person", ["p3"], *OWNER)
    assert digest("a") != before  # one individual fewer: other rows, other noise
