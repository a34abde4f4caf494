"""The authority's offline desk: root key, trust file, rosters. Run on a machine that is not the hub's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from jobs.documents import PublicKey, RootKeys, Roster, SigningKey, TrustedRoster, Verified
from sandbox.cli import status
from sandbox.cli.context import DEFAULT_HUB, AskPassphrase, HubUrl, TokenFile, connect, new_passphrase, now
from sandbox.cli.render import command, show_next
from sandbox.cli.terminal import listing, row, say, say_exactly, show
from sandbox.errors import InvalidSpec
from sandbox.keys import Trust, create_key, load_key
from sandbox.keys.card import Card

STATUS_KEY: Final = "status.key"
FIRST_STATUS: Final = "status.json"

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
    """Make the root key, the key of status lists, and the trust.json that everybody pins."""
    passphrase = new_passphrase(ask_passphrase, "root.key and status.key")
    folder.mkdir(mode=0o700, parents=True)
    key = create_key(folder / "root.key", secrets.token_bytes, passphrase)
    create_key(folder / STATUS_KEY, secrets.token_bytes, passphrase)
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
def roster(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The authority's folder.")],
    cards: Annotated[list[Path] | None, typer.Argument(exists=True, help="Cards of new or changed parties.")] = None,
    to: Annotated[Path, typer.Option("--out", help="Where the signed roster goes.")] = Path("roster.json"),
    previous: Annotated[
        Path | None, typer.Option(exists=True, help="The roster before: who is in it stays, unless left out.")
    ] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="A party to remove, as owner:north; repeatable.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="The roster's life.")] = 365,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether the keys were compared.")] = False,
) -> None:
    """Make the next roster from the parties' cards, show it, and sign it with the root key in the folder.

    The status key is the folder's status.key; if it was moved to another machine, the previous roster's. The first
    roster comes with a first status list, valid for a day: without one nothing runs.
    """
    from jobs.documents import Envelope
    from sandbox.client.authority import build_roster, build_status

    before = Roster.open(Envelope.parse(previous.read_bytes())) if previous else None
    status_file = folder / STATUS_KEY
    if not status_file.exists() and before is None:
        raise InvalidSpec(f"there is no {status_file}: 'unseen authority key {status_file}' makes one")
    status = before.status_key if before and not status_file.exists() else load_key(status_file).public.text
    given = [Card.load(card) for card in cards or ()]
    trust, life = Trust.load(folder / "trust.json"), timedelta(days=days)
    made = build_roster(given, trust, status, now(), life, before, leave_out or ())
    _show_parties(made, before)
    if not yes:
        typer.confirm("Has each new key been compared with what its party told you by another way?", abort=True)
    verified = _sign(made, load_key(folder / "root.key"), to)
    if before is not None:
        show_next(command("unseen authority publish", to), "unseen authority status publish --key status.key")
        return
    first = build_status(verified, load_key(status_file), now(), timedelta(days=1))
    to.with_name(FIRST_STATUS).write_bytes(first.encode())
    say("the first status list, valid for a day: {file}", file=to.with_name(FIRST_STATUS))
    show_next("the platform: unseen hub admit --config hub.yaml roster.json --status status.json --tokens tokens")


def _show_parties(made: Roster, before: Roster | None) -> None:
    known = set(_parties(before)) if before else set()
    table = listing("role", "id", "key", "", title=f"Roster version {made.version}, until {made.expires:%Y-%m-%d}")
    for party in _parties(made):
        role, name, keys = party
        row(table, role, name, ", ".join(PublicKey.parse(key).key_id for key in keys), "" if party in known else "new")
    show(table)


def _parties(document: Roster) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    yield "hub", document.hub.id, (document.hub.key,)
    yield "status lists", "", (document.status_key,)
    for owner in document.owners:
        yield "owner", owner.id, owner.keys
        yield from (("node", node.id, (node.key,)) for node in owner.nodes)
    yield from (("witness", witness.name, (witness.key,)) for witness in document.witnesses)
    yield from (("operator", operator.id, operator.keys) for operator in document.operators)


@app.command()
def sign(
    roster: Annotated[Path, typer.Argument(help="The roster as canonical JSON.")],
    key: Annotated[Path, typer.Option("--key", help="The root key.")],
    to: Annotated[Path, typer.Option("--out", help="Where the signed roster goes.")],
) -> None:
    """Sign a roster that was written by hand, as a change of the root needs it."""
    from jobs.documents import canonical, parse_json

    _sign(Roster.parse(canonical(parse_json(roster.read_bytes()))), load_key(key), to)


def _sign(document: Roster, root: SigningKey, to: Path) -> Verified[Roster]:
    envelope = document.sign(root)
    verified = TrustedRoster(document.root).update(envelope)
    to.write_bytes(envelope.encode())
    say("roster version {version} signed: {digest}", version=document.version, digest=envelope.digest)
    return verified


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
