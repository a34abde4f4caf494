"""The platform's commands: run the hub, issue and revoke tokens."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sandbox.cli.context import AsJson, AskPassphrase, new_passphrase, now
from sandbox.cli.party import CARD, Folder, Trusted, hand_over, open_folder, write_once
from sandbox.cli.render import moment, show_next
from sandbox.cli.terminal import listing, row, say, say_exactly, say_json, show
from sandbox.keys.card import Card

if TYPE_CHECKING:
    from sandbox.hub.people.tokens import Role
    from sandbox.store.store import Store

app = typer.Typer(help="Run the hub and its tokens (platform).", no_args_is_help=True)
Config = Annotated[Path, typer.Option("--config", exists=True, dir_okay=False, help="hub.yaml")]


@app.command()
def init(
    folder: Folder,
    trust: Trusted,
    host: Annotated[str, typer.Option(help="The address to listen on; beyond 127.0.0.1 needs a certificate.")] = "",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8440,
    certificate: Annotated[Path | None, typer.Option(exists=True, help="The TLS certificate (PEM).")] = None,
    certificate_key: Annotated[Path | None, typer.Option(exists=True, help="Its key (PEM, 0600).")] = None,
    id: Annotated[str, typer.Option("--id", help="The hub's id in the roster.")] = "hub",
    ask_passphrase: AskPassphrase = False,
) -> None:
    """Make the hub's key, its card for the authority, and a commented hub.yaml. What is there is kept.

    Without a certificate it is a hub for this machine alone.
    """
    from jobs.documents import HubEntry
    from sandbox.hub.core.config import HubConfig, check_listen
    from sandbox.hub.core.example import hub_yaml
    from sandbox.hub.core.hub import HUB_KEY, open_key

    tls = (certificate, certificate_key)
    if (certificate is None) != (certificate_key is None):
        raise typer.BadParameter("a certificate and its key go together: --certificate and --certificate-key")
    host = host or ("0.0.0.0" if certificate else "127.0.0.1")  # noqa: S104  with TLS, to be reached
    check_listen(host, certificate is not None)
    open_folder(folder, trust)
    places = [None if file is None else os.path.relpath(file, folder) for file in tls]
    write_once(folder / "hub.yaml", hub_yaml(host, port, *places))
    settings = HubConfig.load(folder / "hub.yaml")
    fresh = not (settings.state / HUB_KEY).exists()
    key = open_key(settings, new_passphrase(ask_passphrase, HUB_KEY) if fresh else None)
    hand_over(folder / CARD, Card(hub=HubEntry(id=id, key=key.public.text)), key.public)


@app.command()
def admit(
    config: Config,
    roster: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The signed roster.")],
    to: Annotated[Path, typer.Option("--tokens", help="Folder for the tokens of parties that have none.")],
    status: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A signed status list, as it comes with the first.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="Life of new tokens.")] = 90,
) -> None:
    """Take the authority's roster, and issue a token, each into a file, to every party that has none.

    A hub that runs takes the roster at its next start; 'unseen authority publish' gives it to a running one.
    """
    from jobs.documents import Envelope
    from sandbox.hub.core.config import HubConfig
    from sandbox.hub.core.hub import HUB, Hub
    from sandbox.hub.people.rosters import accept_roster
    from sandbox.hub.people.tokens import without_token
    from sandbox.hub.requests.standing import publish_status

    hub = Hub.open(HubConfig.load(config))
    try:
        accepted = accept_roster(hub, Envelope.parse(roster.read_bytes()), HUB)
        say("roster version {version} is stored", version=accepted.document.version)
        if status is not None:
            published = publish_status(hub, Envelope.parse(status.read_bytes()), HUB)
            say("status list {number} is stored", number=published.document.number)
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        for role, subject in without_token(hub.store, accepted.document, HUB):
            _issue(hub.store, role, subject, to / f"{role}-{subject}.token".replace("/", "_"), days)
    finally:
        hub.store.close()


@app.command()
def serve(config: Config) -> None:
    """Run the hub until it is told to stop. Beyond loopback it needs TLS."""
    from sandbox.hub.api.app import serve as serve_hub
    from sandbox.hub.core.config import HubConfig

    serve_hub(HubConfig.load(config))


@app.command()
def key(config: Config, ask_passphrase: AskPassphrase = False) -> None:
    """Make the hub's key if there is none, and print its public half for the roster."""
    from sandbox.hub.core.config import HubConfig
    from sandbox.hub.core.hub import HUB_KEY, open_key

    settings = HubConfig.load(config)
    fresh = not (settings.state / HUB_KEY).exists()
    say_exactly(open_key(settings, new_passphrase(ask_passphrase, HUB_KEY) if fresh else None).public.text)


@app.command()
def token(
    config: Config,
    role: Annotated[str, typer.Option(help="operator, owner, auditor, authority, node, witness or monitor")],
    subject: Annotated[str, typer.Option(help="Id of the party in the roster.")],
    to: Annotated[Path, typer.Option("--out", help="New file for the token (0600).")],
    days: Annotated[int, typer.Option(min=1, max=3660, help="The token's life.")] = 90,
) -> None:
    """Issue a bearer token into a private file. The hub stores its hash only, and refuses it after its life."""
    from sandbox.hub.people.tokens import Role

    try:
        known = Role(role)
    except ValueError:
        raise typer.BadParameter(f"a role is one of {', '.join(Role)}", param_hint="--role") from None
    with _store(config) as store:
        _issue(store, known, subject, to, days)


def _issue(store: Store, role: Role, subject: str, to: Path, days: int) -> None:
    from sandbox.hub.core.hub import HUB
    from sandbox.hub.people.tokens import issue_token

    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        issued = issue_token(store, role, subject, HUB, secrets.token_bytes, now() + timedelta(days=days))
        file.write(issued.secret)
    say("token {id} for {role} {subject} written to {file}", id=issued.id, role=role, subject=subject, file=to)
    say("it expires on {end:%Y-%m-%d %H:%M} UTC", end=issued.expires)


@app.command()
def tokens(config: Config, as_json: AsJson = False) -> None:
    """All tokens with their ends, to renew and to revoke. The log says that somebody looked."""
    from sandbox.hub.core.hub import HUB
    from sandbox.hub.people.tokens import list_tokens

    with _store(config) as store:
        found = list_tokens(store, HUB)
    if as_json:
        say_json(found)
        return
    table = listing("id", "role", "party", "expires (UTC)", "revoked (UTC)", title="Tokens (令牌)")
    for token in found:
        ends = [moment(token[name] or "") for name in ("expires", "revoked")]
        row(table, *[token[name] for name in ("id", "role", "subject")], *ends)
    show(table)
    show_next("unseen hub revoke-token ID")


@app.command("revoke-token")
def revoke_token_(
    config: Config, token_id: Annotated[str, typer.Argument(help="The token's id: 'unseen hub tokens' lists them.")]
) -> None:
    """End a token: at a running hub within seconds, event streams and long polls included."""
    from sandbox.hub.core.hub import HUB
    from sandbox.hub.people.tokens import revoke_token

    with _store(config) as store:
        revoke_token(store, token_id, HUB)
    say("revoked")


@app.command()
def destroy(
    config: Config,
    name: Annotated[str, typer.Argument(help="A job's id, or a month of network addresses: addresses-2026-11.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy the contents of a job for good: tables and messages. Receipts, signatures and log still verify."""
    from sandbox.hub.core.hub import HUB
    from sandbox.hub.log.destroying import destroy_contents

    if not yes:
        typer.confirm(f"Destroy what {name} holds? Nobody can bring it back", abort=True)
    with _store(config) as store:
        gone = destroy_contents(store, name, HUB)
    say("{count} content(s) of {name} destroyed, and their key", count=gone, name=name)


@contextmanager
def _store(config: Path) -> Iterator[Store]:
    """The hub's database, also while a hub runs on it."""
    from sandbox.hub.core.config import HubConfig
    from sandbox.hub.core.hub import Hub

    hub = Hub.open(HubConfig.load(config))
    try:
        yield hub.store
    finally:
        hub.store.close()
