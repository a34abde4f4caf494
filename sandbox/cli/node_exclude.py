"""Withdrawn consent: individuals whose rows no job of this node sees any more (撤回同意)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli.context import AsJson, CosignKeys, HubUrl, KeyFile, NodeConfig, TokenFile, connect, now
from sandbox.cli.data import check_signers
from sandbox.cli.render import command, show_next
from sandbox.cli.terminal import say, say_json
from sandbox.errors import InvalidSpec
from sandbox.keys import load_key


def exclude(
    domain: Annotated[str, typer.Argument(help="Their unit domain, as the dataset files name it, e.g. person.")],
    units: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="File with one unit a line, as the unit column writes them."),
    ],
    config: NodeConfig,
    key: KeyFile,
    cosign_key: CosignKeys = None,
    hub: HubUrl = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Leave individuals out of every job from now on, in all datasets of their unit domain. Cannot be undone.

    A node keeps keyed hashes of them, never who they are. Each dataset gets a new version, signed and announced; after
    an error in between, the same command again completes it. Grants stay good; a running job whose numbers have not
    left ends, and may be submitted again.
    """
    from sandbox.catalogue.register import leave_out
    from sandbox.keys import Trust
    from sandbox.node.config import load_config
    from sandbox.node.snapshots import SnapshotPlace
    from sandbox.node.state import NodeState

    named = read_units(units)
    settings = load_config(config)
    keys = [load_key(file) for file in (key, *(cosign_key or ()))]
    with connect(hub or settings.hub, token_file, settings.trust) as client:
        check_signers(client.roster().document, settings.owner, keys)  # before anything changes at the node
        state = NodeState(settings.state_dir, Trust.load(settings.trust))
        try:
            place = SnapshotPlace(settings.snapshots.folder, settings.snapshots.encrypt)
            left_out = leave_out(state, domain, named, settings.owner, settings.node, keys, now(), place)
        finally:
            state.close()
        for held in left_out.held:
            client.register(held.dataset.model_dump(mode="json"), held.record)
    if as_json:
        made = [{"dataset": h.dataset.name, "version": h.version, "sequence": h.sequence} for h in left_out.held]
        say_json({"named": len(set(named)), "here": left_out.here, "registered": made})
        return
    for held in left_out.held:
        say("[green]registered[/] {name} version {n} without them", name=held.dataset.name, n=held.sequence)
    say(
        "{here:,} of the {count:,} named have rows here (the hub is not told)",
        here=left_out.here,
        count=len(set(named)),
    )
    if left_out.here < len(set(named)):
        say("one that no row has is left out as well, if it ever comes; is it written as the unit column writes it?")
    show_next(command("unseen data show", left_out.held[0].dataset.name))


def read_units(file: Path) -> list[str]:
    """One unit a line, exactly as it stands; empty lines are passed over. Raises ``InvalidSpec``."""
    try:
        found = [line for line in file.read_text(encoding="utf-8").split("\n") if line]
    except UnicodeDecodeError:
        raise InvalidSpec(f"{file.name} is not text in UTF-8") from None
    if not found:
        raise InvalidSpec(f"{file.name} names nobody")
    if any(line != line.strip("\ufeff").strip() for line in found):
        raise InvalidSpec(f"{file.name}: a line begins or ends with a space or a byte order mark")
    return found
