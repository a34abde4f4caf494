"""``unseen authority status``: publish the signed list without which nothing runs, and look at it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from sandbox.cli.context import DEFAULT_HUB, AsJson, HubUrl, TokenFile, TrustFile, connect, need_trust, now
from sandbox.cli.terminal import listing, row, say, say_json, show
from sandbox.errors import InvalidSpec
from sandbox.keys import load_key

app = typer.Typer(
    help="The authority's status list: who and what is stopped or forbidden, and which roster is the latest.",
    no_args_is_help=True,
)


@app.command()
def publish(
    key: Annotated[Path, typer.Option("--key", help="The status key that the roster names.")],
    entries: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="YAML with 'stopped' and 'forbidden', in full.")
    ] = None,
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long the list is valid.")] = 24,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
) -> None:
    """Sign and publish the next list. Without --entries the present ones stay: run it every few hours."""
    from sandbox.client.authority import build_status

    given: dict[str, Any] = _read(entries) if entries else {}
    with connect(hub, token_file, need_trust(trust)) as client:
        last = client.status()
        previous = last.document if last else None
        envelope = build_status(client.roster(), load_key(key), now(), timedelta(hours=hours), previous, **given)
        answer = client.publish_status(envelope)
    say("status list {number} is in force for {hours} hours: {digest}", hours=hours, **answer)


@app.command("show")
def show_list(
    hub: HubUrl = DEFAULT_HUB, token_file: TokenFile = None, trust: TrustFile = None, as_json: AsJson = False
) -> None:
    """The newest list, verified against the pinned root."""
    with connect(hub, token_file, need_trust(trust)) as client:
        found = client.status()
    if found is None:
        raise InvalidSpec("the authority has not published a status list yet: nothing runs before it does")
    status = found.document
    if as_json:
        say_json(status.to_json())
        return
    fresh = "fresh" if now() < status.expires else "EXPIRED: nothing runs until the next one"
    say("status list {number}, {fresh}", number=status.number, fresh=fresh)
    say("valid from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC", start=status.issued, end=status.expires)
    say("latest roster: version {version}, {digest}", version=status.roster_version, digest=status.roster)
    stopped = listing("what", "who", "state", "since", "reason", title="Stopped")
    for entry in status.stopped:
        row(stopped, entry.kind, entry.subject, entry.state, f"{entry.since:%Y-%m-%d %H:%M}", entry.reason)
    forbidden = listing(
        "entry", "dataset", "column", "scenario", "operator", "ground", "reason", title="Forbidden uses"
    )
    for use in status.forbidden:
        named = [value or "any" for value in (use.column, use.scenario, use.operator)]
        row(forbidden, use.id, use.dataset, *named, use.ground, use.reason)
    show(stopped)
    show(forbidden)


def _read(path: Path) -> dict[str, Any]:
    """The entries of a file, checked as the document will be; raises ``InvalidSpec`` naming the fault."""
    from pydantic import TypeAdapter, ValidationError

    from jobs.documents import ForbiddenUse, StatusEntry, canonical
    from jobs.documents.base import faults
    from jobs.errors import BadDocument

    try:
        value = yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # noqa: S506  texts only: dates stay as written
    except yaml.YAMLError:
        raise InvalidSpec(f"{path.name} is not a readable YAML file") from None
    if not isinstance(value, dict) or set(value) - {"stopped", "forbidden"}:
        raise InvalidSpec(f"{path.name} has the lists 'stopped' and 'forbidden', and nothing else")
    kinds = {"stopped": StatusEntry, "forbidden": ForbiddenUse}
    try:
        read = {name: canonical(value.get(name) or []) for name in kinds}
        return {name: TypeAdapter(tuple[kind, ...]).validate_json(read[name]) for name, kind in kinds.items()}  # type: ignore[valid-type]
    except ValidationError as error:
        raise InvalidSpec(f"{path.name}: {faults(error)}") from None
    except BadDocument as error:
        raise InvalidSpec(f"{path.name}: {error}") from None
