"""The platform's commands: run the hub, issue and revoke tokens."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli.context import now, out

app = typer.Typer(help="Run the hub and its tokens (platform).", no_args_is_help=True)
Config = Annotated[Path, typer.Option("--config", exists=True, dir_okay=False, help="hub.yaml")]


@app.command()
def serve(config: Config) -> None:
    """Run the hub until it is told to stop. Beyond loopback it needs TLS."""
    from sandbox.hub.api.app import serve as serve_hub
    from sandbox.hub.core.config import HubConfig

    serve_hub(HubConfig.load(config))


@app.command()
def key(config: Config) -> None:
    """Make the hub's key if there is none, and print its public half for the roster."""
    from sandbox.hub.core.config import HubConfig
    from sandbox.hub.core.hub import open_key

    out.print(open_key(HubConfig.load(config)).public.text)


@app.command()
def token(
    config: Config,
    role: Annotated[str, typer.Option(help="operator, owner, auditor, authority, node or witness")],
    subject: Annotated[str, typer.Option(help="Id of the party in the roster.")],
    to: Annotated[Path, typer.Option("--out", help="New file for the token (0600).")],
    days: Annotated[int, typer.Option(min=1, max=3660)] = 365,
) -> None:
    """Issue a bearer token into a private file. The hub stores its hash only."""
    import os
    import secrets

    from sandbox.hub.core.config import HubConfig
    from sandbox.hub.core.hub import HUB, Hub
    from sandbox.hub.people.tokens import Role, issue_token

    hub = Hub.open(HubConfig.load(config))
    try:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(
                issue_token(hub.store, Role(role), subject, HUB, secrets.token_bytes, now() + timedelta(days=days))
            )
    finally:
        hub.store.close()
    out.print(f"token for {role} {subject} written to {to}")


@app.command("revoke-token")
def revoke_token_(
    config: Config, token_id: Annotated[str, typer.Argument(help="The token's id from the log.")]
) -> None:
    """End a token at once."""
    from sandbox.hub.core.config import HubConfig
    from sandbox.hub.core.hub import HUB, Hub
    from sandbox.hub.people.tokens import revoke_token

    hub = Hub.open(HubConfig.load(config))
    try:
        revoke_token(hub.store, token_id, HUB)
    finally:
        hub.store.close()
    out.print("revoked")
