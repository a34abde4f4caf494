"""What is declared of a dataset beside types and extents of its columns, one fact a line."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from jobs.documents.base import faults
from jobs.errors import BadDocument
from jobs.schema import Column, Dataset, Role

_SHOWN = 60
"""Values of a domain that are listed at most; ``--json`` has all."""


def read_shown(value: object) -> Dataset:
    """The dataset that a hub shows; raises ``BadDocument`` for anything else."""
    try:
        return Dataset.model_validate(value)
    except ValidationError as error:
        raise BadDocument(f"the hub shows no valid dataset: {faults(error)}") from None


def dataset_facts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Field and what it holds, of the whole dataset; what is left at its default is said where it decides an answer."""
    yield "profile", dataset.profile
    yield "unit", f"{dataset.unit}; rows without one are {'left out' if dataset.null_units == 'exclude' else 'refused'}"
    yield "unique keys", "; ".join(", ".join(key) for key in dataset.unique_keys) or "none"
    yield "units disjoint", _yes(dataset.units_disjoint, "no individual is held by two owners")
    yield (
        "records disjoint",
        _yes(dataset.records_disjoint or dataset.units_disjoint, "no record is held by two owners"),
    )
    yield "joint minimum", _yes(dataset.joint_minimum, "the minimum group is judged on all parts together")
    if dataset.colluding_owners is not None:
        yield "colluding owners", f"at most {dataset.colluding_owners}; noise suffices for all parts together"
    if dataset.rows_per_unit is not None:
        yield "rows per unit", f"at most {dataset.rows_per_unit:,}"
    yield "grade", f"{dataset.grade}; security level {dataset.security_level}; open: {dataset.open_attribute}"
    yield "legal basis", dataset.legal_basis
    said = {
        "source": dataset.authoritative_source,
        "collected by": dataset.collecting_body,
        "updated": dataset.update_frequency.replace("_", " "),
        "scenarios": "; ".join(dataset.scenarios),
    }
    yield from ((name, text) for name, text in said.items() if text)


def column_facts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Column and what is declared of it beside type, role, grade and extent; columns of which there is more only."""
    for column in dataset.columns:
        if facts := list(_of_column(column, dataset)):
            yield column.name, "; ".join(facts)


def _of_column(column: Column, dataset: Dataset) -> Iterator[str]:
    if column.title:
        yield column.title
    if column.cut_points:
        yield f"cut points {', '.join(column.cut_points)}"
    if column.domain and len(column.domain) > 6:
        more = ", … (--json has all)" if len(column.domain) > _SHOWN else ""
        yield f"values {', '.join(str(value) or '(empty)' for value in column.domain[:_SHOWN])}{more}"
    if column.secret:
        owned = [unit.name for unit in dataset.unit_columns if dataset.is_said_of(column, unit.name)]
        yield f"one secret of each {', '.join(owned)}" if owned else "a secret of each record"
    if column.unit_domain:
        yield f"names a {column.unit_domain}"
    if column.decimals:
        yield f"{column.decimals} decimals{', finer values rounded' if column.rounded else ''}"
    if not column.nullable and column.role is not Role.UNIT:
        yield "never missing"
    if column.identifier_kind:
        yield f"identifier: {column.identifier_kind.replace('_', ' ')}"
    for name in ("fold", "masked", "encrypted"):
        if getattr(column, name):
            yield {"fold": "letter case and edge spaces do not count"}.get(name, f"{name} at the source")


def _yes(declared: bool, what: str) -> str:
    return f"yes, {what}" if declared else "no"
