"""The witness's command: follow the log and cosign one history."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from jobs.documents import WitnessEntry
from sandbox.cli.context import DEFAULT_HUB, AskPassphrase, HubUrl, now
from sandbox.cli.party import CARD, CaFile, Folder, Trusted, hand_over, key_in, open_folder
from sandbox.keys import Trust, load_key, read_private
from sandbox.keys.card import Card
from sandbox.logs import LogForm, set_up

app = typer.Typer(help="Vouch for one append-only history (witness).", no_args_is_help=True)


@app.command()
def init(
    folder: Folder,
    trust: Trusted,
    name: Annotated[str, typer.Option(help="The witness's name in the roster.")] = "witness",
    ca_file: CaFile = None,
    ask_passphrase: AskPassphrase = False,
) -> None:
    """Make the witness's key and its card for the authority. What is there is kept."""
    open_folder(folder, trust, ca_file)
    key = key_in(folder, "witness.key", ask_passphrase)
    hand_over(folder / CARD, Card(witness=WitnessEntry(name=name, key=key.public.text)), key.public)


@app.command()
def serve(
    folder: Annotated[Path, typer.Option(help="Holds witness.key, token and what was seen.")],
    name: Annotated[str, typer.Option(help="The witness's name in the roster.")],
    trust: Annotated[Path, typer.Option(envvar="UNSEEN_TRUST", help="trust.json")],
    hub: HubUrl = DEFAULT_HUB,
    log: Annotated[LogForm, typer.Option(help="How log lines look.")] = LogForm.PLAIN,
) -> None:
    """Cosign every checkpoint that extends the last one. Ends, with the evidence, when one does not."""
    from sandbox.log_link import LogLink
    from sandbox.witness.seen import SeenFile
    from sandbox.witness.witness import Witness

    set_up(log)
    pinned = Trust.load(trust)
    link = LogLink(hub, read_private(folder / "token").decode().strip())
    seen = SeenFile(folder / "seen.json", pinned.origin)
    witness = Witness(name, load_key(folder / "witness.key"), pinned, link, seen, now)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: witness.stop())
    witness.serve()
