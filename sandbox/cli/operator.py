"""The operator's folder; what operators do with it is ``unseen job``."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.documents import OperatorEntry
from sandbox.cli.context import AskPassphrase
from sandbox.cli.party import CARD, CaFile, Folder, HubAt, Trusted, hand_over, key_in, open_folder, write_settings
from sandbox.keys.card import Card

app = typer.Typer(help="Become an operator: key, card and settings (operator).", no_args_is_help=True)


@app.callback()
def operator() -> None:
    """A group of one command so far."""


@app.command()
def init(
    folder: Folder,
    id: Annotated[str, typer.Option("--id", help="Your id in the roster.")],
    hub: HubAt,
    trust: Trusted,
    name: Annotated[str, typer.Option(help="Your name as people read it; the id if you say none.")] = "",
    ca_file: CaFile = None,
    ask_passphrase: AskPassphrase = False,
) -> None:
    """Make the operator's key, its card for the authority, and unseen.env. What is there is kept."""
    open_folder(folder, trust, ca_file)
    key = key_in(folder, "operator.key", ask_passphrase)
    card = Card(operator=OperatorEntry(id=id, name=name or id, keys=(key.public.text,)))
    hand_over(folder / CARD, card, key.public)
    here = folder.resolve()
    write_settings(folder, hub, UNSEEN_OPERATOR=id, UNSEEN_KEY=here / "operator.key")
