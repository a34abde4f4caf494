"""``python -m tests.constructs``: compile the analyst's usual constructs and write ``docs/constructs.md`` of what becomes
of each. The statements are in ``tests/vectors/constructs``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import yaml

from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import PlanError
from jobs.schema import CatalogueView, Dataset, Holding

ROOT: Final = Path(__file__).parents[1]
VECTORS: Final = ROOT / "tests" / "vectors" / "constructs"
PAGE: Final = ROOT / "docs" / "constructs.md"
HEAD: Final = """\
# What becomes of the analyst's usual constructs
Written by `python -m tests.constructs`, which compiles each statement; not edited. Statements and data sets are in `tests/vectors/constructs`:
the flights of `examples/`, hospital stays and wages, each held by three owners under `standard@2`, and two registers to join with.
*Rewrite*: the refusal says what to write instead. *Refused*: it says why this cannot be answered. What is possible in general:
[the SQL](sql.md).
"""
Fate = Literal["works", "rewrite", "refused"]


@dataclass(frozen=True)
class Construct:
    group: str
    name: str
    sql: str


def catalogue() -> CatalogueView:
    """Five data sets, each held by three owners."""
    files = [ROOT / "examples" / "datasets" / name for name in ("flights.yaml", "planes.yaml")]
    files += sorted(file for file in VECTORS.glob("*.yaml") if file.name != "statements.yaml")
    datasets = tuple(Dataset.model_validate(yaml.safe_load(file.read_text())) for file in files)
    return CatalogueView(datasets=datasets, holdings=tuple(h for d in datasets for h in _holdings(d)))


def constructs() -> tuple[Construct, ...]:
    groups = yaml.safe_load((VECTORS / "statements.yaml").read_text())
    return tuple(Construct(g["group"], s["construct"], s["sql"]) for g in groups for s in g["statements"])


def fate(construct: Construct, view: CatalogueView) -> tuple[Fate, str]:
    """What becomes of a statement, and in the words of its refusal why."""
    try:
        compile_sql(construct.sql, view)
    except PlanError as refusal:
        return (
            ("rewrite", f"{refusal.text}. Write `{refusal.instead}`") if refusal.instead else ("refused", refusal.text)
        )
    return "works", ""


def page() -> str:
    view, rows = catalogue(), []
    counts: Counter[Fate] = Counter()
    group = ""
    for construct in constructs():
        found, why = fate(construct, view)
        counts[found] += 1
        if construct.group != group:
            group = construct.group
            rows += ["", f"## {group}", "| construct | | statement |", "|---|---|---|"]
        said = found if not why else f"{found}: {why}"
        rows.append(f"| {construct.name} | {_cell(said)} | `{_cell(construct.sql)}` |")
    summary = f"Of {counts.total()}, {counts['works']} work, {counts['rewrite']} are refused with a rewrite, {counts['refused']} with the reason."
    return "\n".join((HEAD + summary, *rows, ""))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _holdings(dataset: Dataset) -> Iterator[Holding]:
    for owner in ("north", "east", "south"):
        yield Holding(
            dataset=dataset.name,
            owner=owner,
            node=f"node-{owner}",
            provider=owner,
            version_commitment="sha256:0",
            max_rows=200_000,
        )


if __name__ == "__main__":
    PAGE.write_text(page())
