"""``unseen data check`` and ``unseen data schema``: an owner at home, without hub, node or keys. Nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
import yaml

from sandbox.cli.context import AsJson
from sandbox.cli.dataset_file import (
    BadDatasetFile,
    HiveOption,
    KindOption,
    OptionalData,
    TableOption,
    check_edited,
    database_of,
    dataset_yaml,
    read_dataset_file,
    source_of,
)
from sandbox.cli.render import command, json_schema, show_next
from sandbox.cli.terminal import framed, out, row, say, say_exactly, say_json, show
from sandbox.errors import InvalidSpec

if TYPE_CHECKING:
    from jobs.schema import Dataset
    from sandbox.catalogue.agree import Agreement, Difference
    from sandbox.catalogue.check import Fault
    from sandbox.catalogue.reading import Reading

_SHOWN: Final = 60
"""Characters of a value in the table of differences."""
DatasetFileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The dataset file (YAML).")]


def check(
    dataset: DatasetFileArgument,
    file: OptionalData = None,
    kind: KindOption = None,
    table: TableOption = None,
    hive: HiveOption = False,
    against: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Another owner's dataset file, or what 'unseen data show NAME --json' prints.",
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", help="With --against: write the proposal here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a dataset file, and the data if they are named, as registering would. Lists all faults; sends nothing.

    With --against it says where two owners' files differ, and proposes one that both can sign.
    """
    try:
        declared, reading = read_dataset_file(dataset)
    except BadDatasetFile as bad:
        _end(as_json, {"faults": [{"text": place} for place in bad.places]}, bad.places)
    if against is not None:
        if file is not None:
            raise typer.BadParameter("give data, or --against another file: not both at once")
        _compare(declared, reading, dataset, against, to, as_json)
        return
    if to is not None:
        raise typer.BadParameter("--out is for the proposal of --against")
    faults, rows = _faults(declared, reading, dataset, file, kind, table, hive)
    if faults:
        lines = [line for fault in faults for line in (fault.text, *(f"    {example}" for example in fault.examples))]
        told = [{"text": f.text, "column": f.column, "rows": f.rows, "examples": list(f.examples)} for f in faults]
        _end(as_json, {"faults": told}, lines)
    if as_json:
        say_json({"faults": [], "rows": rows})
        return
    say("[green]as declared[/]: {count} columns{rows}", count=len(declared.columns),
        rows="" if rows is None else f", {rows:,} rows")  # fmt: skip
    if file is None:
        show_next(command("unseen data check", dataset) + " DATA")


def schema() -> None:
    """Print the JSON Schema of a dataset file, for editors (docs/dataset.md says how)."""
    from sandbox.catalogue.reading import DatasetFile

    say_json(json_schema(DatasetFile))


def _end(as_json: bool, value: dict[str, Any], lines: Sequence[str]) -> None:
    if as_json:
        say_json(value)
    else:
        say("[bold red]would be refused[/]; values are shown on this machine only, never sent:")
        for line in lines:
            say("  {line}", line=line)
    raise typer.Exit(1)


def _faults(
    declared: Dataset,
    reading: Reading,
    dataset: Path,
    file: Path | None,
    kind: str | None,
    table: str | None,
    hive: bool,
) -> tuple[list[Fault], int | None]:
    """What registration would refuse, by its own checks, and how many rows there are."""
    from adapters.errors import AdapterError
    from adapters.open import open_source
    from sandbox.catalogue.check import DataRefused, Fault, check_data, check_declaration
    from sandbox.catalogue.copies import passing_copy
    from sandbox.catalogue.reading import read_as

    faults: list[Fault] = []
    try:
        check_edited(declared, dataset)
    except InvalidSpec as refused:
        faults.append(Fault(str(refused)))
    if file is None:
        return [*faults, *check_declaration(declared)], None
    try:
        with ExitStack() as stack:
            database = database_of(file, kind)
            spec = stack.enter_context(passing_copy(database)) if database else source_of(file, kind, table, hive)
            checked = check_data(declared, open_source(read_as(declared, spec, reading)))
    except DataRefused as refused:
        return [*faults, *refused.faults], None
    except (AdapterError, InvalidSpec) as unread:
        examples = getattr(unread, "examples", ())
        return [*faults, *check_declaration(declared), Fault(str(unread), examples=examples)], None
    if not checked.rows:
        faults.append(Fault("the data has no row: is it the right file?", rows=0))
    return faults, checked.rows


def _compare(declared: Dataset, reading: Reading, file: Path, against: Path, to: Path | None, as_json: bool) -> None:
    from sandbox.catalogue.agree import agree

    found = agree(declared, read_dataset_file(against)[0])
    text = dataset_yaml(found.proposal, reading, out.width)
    if as_json:
        names = ("here", "there", "proposed")
        told = [
            {"place": d.place, "settled": d.settled, **dict(zip(names, _sides(d), strict=True))}
            for d in found.differences
        ]
        say_json({"differences": told, "proposal": found.proposal.model_dump(mode="json", exclude_defaults=True)})
    elif not found.differences:
        say("[green]the same declaration[/]: both can register it")
    else:
        _show(found, file, against)
    if to is not None:
        to.write_text(text, encoding="utf-8")
    if found.differences and not as_json:
        if to is None:
            say_exactly(text)
        show_next(f"each owner, with this common file: {command('unseen data check', to or 'COMMON.yaml')} DATA")
    if found.differences:
        raise typer.Exit(1)


def _show(found: Agreement, file: Path, against: Path) -> None:
    grid = framed("", file.name, against.name, "proposed", title="Declared differently")
    for item in found.differences:
        here, there, proposed = (_short(side) for side in _sides(item))
        row(grid, item.place, here, there, proposed if item.settled else f"to agree on: {proposed}")
    show(grid)


def _sides(item: Difference) -> tuple[Any, Any, Any]:
    return _plain(item.here), _plain(item.there), _plain(item.proposed)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_defaults=True) if hasattr(value, "model_dump") else value


def _short(value: Any) -> str:
    if value is None:
        return "none"
    value = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump([str(value) if isinstance(value, str) else value], default_flow_style=True,
                          allow_unicode=True, sort_keys=False, width=10_000).strip()[1:-1]  # fmt: skip
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
