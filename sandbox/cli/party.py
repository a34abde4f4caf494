"""What the ``init`` commands share: a party's folder with its keys, its card, what it pins, and its shell settings.

Every piece that is there is kept, so that the same command again finishes what was interrupted, and makes anew only
what was removed: that is how keys are replaced.
"""

from __future__ import annotations

import secrets
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from jobs.documents import PublicKey, SigningKey
from sandbox.address import check_hub_address
from sandbox.cli.context import new_passphrase
from sandbox.cli.terminal import say
from sandbox.hub_http import CA_FILE
from sandbox.keys import Trust, create_key, load_key
from sandbox.keys.card import Card

Folder = Annotated[Path, typer.Argument(help="This party's folder; made if it is not there.")]
Trusted = Annotated[
    Path,
    typer.Option("--trust", envvar="UNSEEN_TRUST", exists=True, dir_okay=False, help="The authority's trust.json"),
]
HubAt = Annotated[str, typer.Option("--hub", envvar="UNSEEN_HUB", help="The hub's address, https://...")]
CaFile = Annotated[
    Path | None,
    typer.Option(
        envvar=CA_FILE, exists=True, dir_okay=False, help="The PEM file of the hub's private CA, if it has one"
    ),
]
CARD: Final = "card.json"
SETTINGS: Final = "unseen.env"
_MINE: Final = ("UNSEEN_OPERATOR", "UNSEEN_OWNER", "UNSEEN_KEY", "UNSEEN_NODE_CONFIG", CA_FILE)


def open_folder(folder: Path, trust: Path, ca_file: Path | None = None) -> None:
    """Make the folder (0700) and lay into it what this party believes."""
    Trust.load(trust)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file, name in ((trust, "trust.json"), (ca_file, "ca.pem")):
        if file is not None and file.resolve() != (folder / name).resolve():
            shutil.copyfile(file, folder / name)
            (folder / name).chmod(0o644)


def key_in(folder: Path, name: str, ask: bool) -> SigningKey:
    """The signing key of this name, made if it is not there."""
    file = folder / name
    return load_key(file) if file.exists() else create_key(file, secrets.token_bytes, new_passphrase(ask, name))


def write_once(file: Path, text: str) -> None:
    """A configuration that people edit afterwards is not overwritten."""
    if file.exists():
        say("{file} is there and stays as it is", file=file)
        return
    file.write_text(text)
    file.chmod(0o600)


def hand_over(file: Path, card: Card, key: PublicKey) -> None:
    """Write the card, and say what the authority needs to hear of its key by another way than the card's."""
    file.write_bytes(card.encode())
    say("{file} is for the authority; tell it by another way that your key is {key}", file=file, key=key.key_id)


def write_settings(folder: Path, hub: str, **values: Any) -> None:
    """``unseen.env``: makes a shell this party's, and finds the ``unseen`` command. Raises ``InvalidSpec``."""
    check_hub_address(hub)
    here = folder.resolve()
    ca = {CA_FILE: here / "ca.pem"} if (folder / "ca.pem").exists() else {}
    found = {
        "UNSEEN_HUB": hub,
        "UNSEEN_TRUST": here / "trust.json",
        "UNSEEN_TOKEN_FILE": here / "token",
        **ca,
        **values,
    }
    lines = [f"unset {' '.join(_MINE)}"]
    lines += [f"export {name}={shlex.quote(str(value))}" for name, value in {**found, **ca, **values}.items()]
    lines += [f'PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"', ""]
    (folder / SETTINGS).write_text("\n".join(lines))
    say("settings for your shell: [bold]. {file}[/]", file=folder / SETTINGS)
