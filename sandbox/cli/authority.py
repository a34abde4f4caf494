"""The authority's offline desk: root key, trust file, rosters. Run on a machine that is not the hub's."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from jobs.documents import RootKeys, Roster, TrustedRoster
from sandbox.cli import status
from sandbox.cli.context import DEFAULT_HUB, AskPassphrase, HubUrl, TokenFile, connect, new_passphrase
from sandbox.cli.terminal import say, say_exactly
from sandbox.keys import Trust, create_key, load_key

app = typer.Typer(
    help="Root of trust: create it, sign rosters (authority, offline); publish status lists.", no_args_is_help=True
)
app.add_typer(status.app, name="status")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder for the root key.")],
    origin: Annotated[str, typer.Option(help="Name of the platform's log, e.g. data.example.cn/log.")],
    ask_passphrase: AskPassphrase = False,
) -> None:
    """Make the root key and the trust.json that everybody pins."""
    passphrase = new_passphrase(ask_passphrase, "root.key")
    folder.mkdir(mode=0o700, parents=True)
    key = create_key(folder / "root.key", secrets.token_bytes, passphrase)
    trust = Trust(root=RootKeys(keys=(key.public.text,), threshold=1), origin=origin)
    (folder / "trust.json").write_bytes(trust.encode())
    say(
        "root key {key}; hand {file} to every party out of band",
        key=key.public.key_id,
        file=folder / "trust.json",
    )


@app.command("key")
def key_(
    path: Annotated[Path, typer.Argument(help="File to create (0600).")], ask_passphrase: AskPassphrase = False
) -> None:
    """Make a signing key for an owner, operator, hub, witness or status lists and print its public half."""
    passphrase = new_passphrase(ask_passphrase, path.name)
    say_exactly(create_key(path, secrets.token_bytes, passphrase).public.text)


@app.command("lock")
def lock_(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A key, record key or token file.")],
) -> None:
    """Encrypt a secret file, or encrypt it with another passphrase. Asks; what opens it now comes from where it is."""
    from sandbox.keys.files import read_secret, relock

    read_secret(path)
    fresh = typer.prompt(f"New passphrase of {path.name}", hide_input=True, confirmation_prompt=True, err=True)
    relock(path, str(fresh).encode())
    say("{name} is locked", name=path.name)


@app.command()
def sign(
    roster: Annotated[Path, typer.Argument(help="The roster as canonical JSON.")],
    key: Annotated[Path, typer.Option("--key", help="The root key.")],
    to: Annotated[Path, typer.Option("--out", help="Where the signed roster goes.")],
) -> None:
    """Sign a roster with the root key."""
    from jobs.documents import canonical, parse_json

    document = Roster.parse(canonical(parse_json(roster.read_bytes())))
    root = load_key(key)
    envelope = document.sign(root)
    TrustedRoster(document.root).update(envelope)
    to.write_bytes(envelope.encode())
    say("roster version {version} signed: {digest}", version=document.version, digest=envelope.digest)


@app.command()
def publish(
    roster: Annotated[Path, typer.Argument(help="The signed roster.")],
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
) -> None:
    """Give the signed roster to the hub, which distributes it."""
    from jobs.documents import Envelope

    with connect(hub, token_file) as client:
        client.publish_roster(Envelope.parse(roster.read_bytes()))
    say("published")
