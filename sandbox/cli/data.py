"""The owner's commands for data: draft a dataset file, register a version, look at the catalogue (数据目录)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from jobs.documents import Roster, SigningKey
from sandbox.cli.context import (
    DEFAULT_HUB,
    AsJson,
    CosignKeys,
    HubUrl,
    KeyFile,
    NodeConfig,
    TokenFile,
    connect,
    day,
    now,
)
from sandbox.cli.data_check import check, schema
from sandbox.cli.dataset_file import (
    FileOrFolder,
    HiveOption,
    KindOption,
    TableOption,
    check_edited,
    database_of,
    dataset_yaml,
    read_dataset_file,
    source_of,
)
from sandbox.cli.declared import column_facts, dataset_facts, read_shown
from sandbox.cli.render import command, show_next
from sandbox.cli.terminal import err, framed, out, row, say, say_exactly, say_json
from sandbox.cli.terminal import show as show_grid
from sandbox.errors import InvalidSpec
from sandbox.keys import load_key

if TYPE_CHECKING:
    from adapters.text.encoding import Encoding

app = typer.Typer(help="Describe, check, register and list datasets.", no_args_is_help=True)
app.command()(check)
app.command()(schema)
_TO_CORRECT = (
    "legal_basis: by which law or agreement you may share statistics; title",
    "role: sensitive and measure are guesses; known is what an outsider may know anyway",
    "unit: whose privacy is at stake; unit_domain is the same word in every dataset about the same individuals",
    "said_of: drafted where all rows of each individual agree; it is verified, and refused where it is missing",
    "domain and bounds: what may occur at any holder, not only in this file; all holders register the same text",
)


EncodingOption = Annotated[
    str | None, typer.Option("--encoding", help="Of a CSV: utf-8, gb18030, latin-1, ...; found out otherwise.")
]
DelimiterOption = Annotated[str | None, typer.Option("--delimiter", help="Of a CSV; found out otherwise.")]


@app.command()
def describe(
    file: FileOrFolder,
    name: Annotated[str, typer.Option(help="Name of the dataset.")],
    unit: Annotated[str | None, typer.Option(help="The column that is the privacy unit.")] = None,
    kind: KindOption = None,
    table: TableOption = None,
    hive: HiveOption = False,
    encoding: EncodingOption = None,
    delimiter: DelimiterOption = None,
    to: Annotated[Path | None, typer.Option("--out", help="Write the draft here.")] = None,
) -> None:
    """Draft the dataset file: types, candidate roles, domains, bounds and unit. Read and correct it before signing."""
    from sandbox.catalogue.copies import passing_copy
    from sandbox.catalogue.draft import draft as draft_of

    with ExitStack() as stack:
        database = database_of(file, kind)
        spec = stack.enter_context(passing_copy(database)) if database else source_of(file, kind, table, hive)
        found = draft_of(spec, name, unit, _encoding(encoding), delimiter)
    draft = found.dataset
    text = dataset_yaml(draft, found.reading, out.width)
    if to is None:
        say_exactly(text)
        _say_notes(found.notes, beside=True)
        return
    to.write_text(text, encoding="utf-8")
    say(
        "draft of {count} columns written to {file}; the privacy unit is {unit}",
        count=len(draft.columns),
        file=to,
        unit=draft.unit,
    )
    _say_notes(found.notes)
    say("Read every line before you sign it:")
    for line in _TO_CORRECT:
        say("  - {line}", line=line)
    node = "" if "UNSEEN_NODE_CONFIG" in os.environ else " --config node.yaml"
    rest = f"{node} --rows-at-most N --label LABEL --data-until 2026-12-31"
    show_next(command("unseen data register", to, file) + rest)


@app.command()
def register(
    dataset: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The dataset file (YAML).")],
    file: FileOrFolder,
    config: NodeConfig,
    key: KeyFile,
    rows_at_most: Annotated[int, typer.Option(min=1, help="Declared bound on the rows; range proofs use it.")],
    label: Annotated[str, typer.Option(help="What people call this version, e.g. 2013.")],
    data_until: Annotated[str, typer.Option(help="Latest day that the data covers.")],
    kind: KindOption = None,
    table: TableOption = None,
    hive: HiveOption = False,
    cell_budget: Annotated[
        int, typer.Option(min=0, help="Cells that may ever be released of this version.")
    ] = 1_000_000,
    cosign_key: CosignKeys = None,
    hub: HubUrl = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Check the data against the file, commit to the version, sign the record, announce it."""
    from sandbox.catalogue.copies import kept_copy
    from sandbox.catalogue.reading import headers_of
    from sandbox.catalogue.register import register as register_version
    from sandbox.keys import Trust
    from sandbox.node.config import load_config
    from sandbox.node.snapshots import SnapshotPlace
    from sandbox.node.state import NodeState

    declared, reading = read_dataset_file(dataset)
    check_edited(declared, dataset)
    settings = load_config(config)
    keys = [load_key(file) for file in (key, *(cosign_key or ()))]
    with connect(hub or settings.hub, token_file, settings.trust) as client:
        check_signers(client.roster().document, settings.owner, keys)  # before anything changes at the node
    state = NodeState(settings.state_dir, Trust.load(settings.trust))
    place = SnapshotPlace(settings.snapshots.folder, settings.snapshots.encrypt)
    with ExitStack() as stack:
        stack.callback(state.close)
        database = database_of(file, kind)
        columns = headers_of(declared, reading)
        held, checked = register_version(
            state,
            declared,
            stack.enter_context(kept_copy(database, columns, state, place))
            if database
            else source_of(file, kind, table, hive),
            settings.owner,
            settings.node,
            keys,
            now(),
            rows_at_most=rows_at_most,
            place=place,
            reading=reading,
            label=label,
            data_until=day(data_until),
            budgets={"cells": cell_budget},
        )
    with connect(hub or settings.hub, token_file) as client:
        client.register(held.dataset.model_dump(mode="json"), held.record)
    if as_json:
        say_json({"dataset": held.dataset.name, "version": held.version, "sequence": held.sequence})
        return
    say(
        "[green]registered[/] {name} version {sequence} ({rows:,} rows{excluded})",
        name=held.dataset.name,
        sequence=held.sequence,
        rows=checked.rows,
        excluded=f", {checked.null_units} without a unit are left out" if checked.null_units else "",
    )
    say("[dim]the hub knows only the salted commitment {version}…[/]", version=held.version[:27])
    show_next(command("unseen data show", held.dataset.name))


@app.command("list")
def list_(hub: HubUrl = DEFAULT_HUB, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Datasets and who holds them."""
    with connect(hub, token_file) as client:
        found = [client.dataset(item["name"]) for item in client.datasets()]
    if as_json:
        say_json(found)
        return
    table = framed("dataset", "unit", "grade", "columns", "holders", title="Catalogue (数据目录)")
    for item in found:
        dataset = item["dataset"]
        holders = ", ".join(holding["provider"] for holding in item["holdings"])
        row(table, dataset["name"], dataset["unit"], dataset["grade"], len(dataset["columns"]), holders)
    if not found:
        say("no dataset is registered yet")
        show_next("an owner: unseen data describe FILE --name NAME --out NAME.yaml")
        return
    show_grid(table)
    show_next(command("unseen data show", found[0]["dataset"]["name"]))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Dataset name.")],
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """All that is declared: columns with type, role, grade and extent, and what decides answers; who holds a part."""
    with connect(hub, token_file) as client:
        found = client.dataset(name)
    if as_json:
        say_json(found)
        return
    declared = read_shown(found["dataset"])  # before the first line: what the hub says of it must be a valid document
    title = f"{name}: {declared.title}"
    table = framed("column", "type", "role", "grade", "domain or bounds", title=title)
    for column in found["dataset"]["columns"]:
        row(table, column["name"], column["type"], column["role"], column["grade"], _extent(column))
    show_grid(table)
    if declared.description:
        say("{description}", description=declared.description)
    for subject, fact in (*column_facts(declared), *dataset_facts(declared)):
        say("{subject}: {fact}", subject=subject, fact=fact)
    for holding in found["holdings"]:
        say(
            "held by {provider} at {node}, version {label}",
            provider=holding["provider"],
            node=holding["node"],
            label=holding["version_label"],
        )


def _say_notes(notes: Sequence[str], beside: bool = False) -> None:
    """``beside``: not on the standard output, which holds the draft itself."""
    to = err if beside else out
    if notes:
        say("Look at these columns:", to=to)
    for note in notes:
        say("  - {note}", to=to, note=note)


def _encoding(text: str | None) -> Encoding | None:
    from adapters.text.encoding import Encoding

    if text is not None and text not in get_args(Encoding):
        raise typer.BadParameter(f"encodings are {', '.join(get_args(Encoding))}", param_hint="--encoding")
    return cast("Encoding | None", text)


def check_signers(roster: Roster, owner: str, keys: Sequence[SigningKey]) -> None:
    """Raise ``WrongKey`` unless these keys may sign for the owner: a version only its node knows stops its jobs."""
    entry = roster.owner(owner)
    mine = {key.public.text for key in keys} & set(entry.keys)
    if len(mine) < entry.threshold:
        raise WrongKey(f"{owner} signs with {entry.threshold} of its {len(entry.keys)} key(s); {len(mine)} was given")


class WrongKey(InvalidSpec):
    code = "wrong-key"
    advice = (
        "Name the owner's own key with --key, further signers with --cosign-key, and this owner's node with --config."
    )


def _extent(column: dict[str, Any]) -> str:
    if column.get("domain"):
        shown = ", ".join("(empty)" if value == "" else str(value) for value in column["domain"][:6])
        return f"{shown}{', …' if len(column['domain']) > 6 else ''} ({len(column['domain'])})"
    if column.get("bounds"):
        return f"{column['bounds']['low']} to {column['bounds']['high']}"
    return ""
