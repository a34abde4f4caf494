"""The platform's commands: run the hub, issue and revoke tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sandbox.cli.context import AsJson, AskPassphrase, new_passphrase, now
from sandbox.cli.render import moment, show_next
from sandbox.cli.terminal import listing, row, say, say_exactly, say_json, show

if TYPE_CHECKING:
    from sandbox.store.store import Store

app = typer.Typer(help="Run the hub and its tokens (platform).", no_args_is_help=True)
Config = Annotated[Path, typer.Option("--config", exists=True, dir_okay=False, help="hub.yaml")]


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
    role: Annotated[str, typer.Option(help="operator, owner, auditor, authority, node or witness")],
    subject: Annotated[str, typer.Option(help="Id of the party in the roster.")],
    to: Annotated[Path, typer.Option("--out", help="New file for the token (0600).")],
    days: Annotated[int, typer.Option(min=1, max=3660, help="The token's life.")] = 90,
) -> None:
    """Issue a bearer token into a private file. The hub stores its hash only, and refuses it after its life."""
    import os
    import secrets

    from sandbox.hub.core.hub import HUB
    from sandbox.hub.people.tokens import Role, issue_token

    with _store(config) as store:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            issued = issue_token(store, Role(role), subject, HUB, secrets.token_bytes, now() + timedelta(days=days))
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
