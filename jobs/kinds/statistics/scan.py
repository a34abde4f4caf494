"""What a worker does with one owner's tables: the ordered scan of a part where the plan allows it, or rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from adapters.errors import SnapshotDamaged
from adapters.open import open_source
from adapters.snapshot.index import Index
from adapters.snapshot.present import condemn_if_damaged
from adapters.snapshot.read import Snapshot, SnapshotRows
from adapters.source import Input, check_unchanged
from jobs.kinds.base import Limits
from jobs.kinds.statistics.direct import Direct
from jobs.kinds.statistics.errors import ArithmeticOverflow
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.ordered import Rendered, scan_parts
from jobs.kinds.statistics.plan.expr import Col
from jobs.kinds.statistics.plan.parameters import parameter_literals
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.run import OpenTable, local_result, run_local
from jobs.kinds.statistics.way import decide_way
from jobs.schema import Scalar

SPLIT_ROWS: Final = 2_000_000
"""Rows from which several workers are worth the calls; below, one worker scans all parts."""


def parts(plan: Plan, inputs: Mapping[str, Input]) -> int:
    """In how many pieces the scan comes. Reads the snapshot's index only."""
    index = _index(plan, inputs)
    if index is None or index.rows < SPLIT_ROWS or decide_way(plan, index.unit).name != "ordered":
        return 1
    return index.parts


def scan(
    plan: Plan, parameters: Mapping[str, Scalar], inputs: Mapping[str, Input], limits: Limits, part: int, of: int
) -> LocalResult:
    """One piece of ``of``. Raises ``SourceChanged``, ``SnapshotDamaged``, ``AdapterError`` or ``JobError``."""
    try:
        index = _index(plan, inputs)
        if index is not None and decide_way(plan, index.unit).name == "ordered":
            return _ordered(plan, parameters, inputs, limits, range(index.parts) if of == 1 else [part])
        return _rows(plan, parameters, inputs, limits)
    except SnapshotDamaged:
        for item in inputs.values():
            if item.snapshot is not None:
                condemn_if_damaged(item.snapshot)
        raise


def _index(plan: Plan, inputs: Mapping[str, Input]) -> Index | None:
    ref = inputs[plan.dataset].snapshot if plan.dataset in inputs else None
    return None if ref is None else Snapshot(ref).index


# --- rows in no order --------------------------------------------------------------------------------------------


def _rows(plan: Plan, parameters: Mapping[str, Scalar], inputs: Mapping[str, Input], limits: Limits) -> LocalResult:
    with _tables(inputs) as tables:
        ref = inputs[plan.dataset].snapshot
        result = run_local(plan, parameters, tables, limits, printed=ref is not None)
    if ref is None:
        return result
    index = Snapshot(ref).index
    return replace(result, rows_scanned=index.rows + index.unitless)


@contextmanager
def _tables(inputs: Mapping[str, Input]) -> Iterator[dict[str, OpenTable]]:
    """Each table's rows: of its snapshot, or of the registered files, which must be the same before and after."""
    sources = {name: open_source(item.source) for name, item in inputs.items() if item.snapshot is None}
    for name, source in sources.items():
        check_unchanged(source, inputs[name].manifest)
    tables: dict[str, OpenTable] = {name: source.read for name, source in sources.items()}
    for name, item in inputs.items():
        if item.snapshot is not None:
            tables[name] = SnapshotRows(Snapshot(item.snapshot)).read
    yield tables
    for name, source in sources.items():
        check_unchanged(source, inputs[name].manifest)


# --- in the order of units ---------------------------------------------------------------------------------------


def _ordered(
    plan: Plan,
    parameters: Mapping[str, Scalar],
    inputs: Mapping[str, Input],
    limits: Limits,
    numbers: range | list[int],
) -> LocalResult:
    ref = inputs[plan.dataset].snapshot
    if ref is None:
        raise ValueError("an ordered scan needs a snapshot")
    snapshot = Snapshot(ref)
    index, values = snapshot.index, parameter_literals(plan, parameters)
    if index.rows + index.unitless > plan.rows_bound:
        raise ArithmeticOverflow("the part has more rows than all holders declare together: correct max_rows")
    opened = (snapshot.part(number) for number in numbers)
    direct = Direct.of(plan, values, {column.name: column for column in index.columns})
    if direct is not None:
        found, records = scan_parts(plan, direct, opened)
    else:
        with _tables(_joined(plan, inputs)) as whole:
            tables = whole | _own_parts(plan, inputs, index, numbers)
            with Rendered(plan, values, tables, limits) as rendered:
                found, records = scan_parts(plan, rendered, opened)
    rows = sum(index.rows_of(number) for number in numbers) + (index.unitless if 0 in numbers else 0)
    return local_result(plan, [found], rows, (records,))


def _joined(plan: Plan, inputs: Mapping[str, Input]) -> dict[str, Input]:
    return {join.dataset: inputs[join.dataset] for join in plan.joins if join.dataset in inputs}


def _own_parts(
    plan: Plan, inputs: Mapping[str, Input], index: Index, numbers: range | list[int]
) -> dict[str, OpenTable]:
    """Joined tables of the same kind of unit, joined by it: their rows are in the parts of the same hashes."""
    found: dict[str, OpenTable] = {}
    for join in plan.joins:
        ref = inputs[join.dataset].snapshot if join.dataset in inputs else None
        if ref is None or [j.dataset for j in plan.joins].count(join.dataset) > 1:
            continue
        snapshot = Snapshot(ref)
        by_unit = any(key.left == Col(name=index.unit) and key.right == snapshot.index.unit for key in join.on)
        if by_unit and snapshot.index.unit_domain == index.unit_domain:
            found[join.dataset] = SnapshotRows(snapshot, _same_parts(index.parts, snapshot.index.parts, numbers)).read
    return found


def _same_parts(ours: int, theirs: int, numbers: range | list[int]) -> list[int]:
    """Both are powers of two, and a part is the leading bits of a hash."""
    if theirs <= ours:
        return sorted({number * theirs // ours for number in numbers})
    each = theirs // ours
    return [number * each + at for number in numbers for at in range(each)]
