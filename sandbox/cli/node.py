"""The owner's commands at its node: run it, see what left, revoke at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.documents import NodeEntry, OwnerEntry, SigningKey
from jobs.documents.ed25519 import PublicKey
from jobs.documents.x25519 import SealingPublic
from jobs.schema import Digest
from sandbox.cli.context import (
    AsJson,
    AskPassphrase,
    CosignKeys,
    HubUrl,
    KeyFile,
    NodeConfig,
    TokenFile,
    connect,
    new_passphrase,
    now,
)
from sandbox.cli.node_alarms import acknowledge, alarms
from sandbox.cli.node_audit import audit
from sandbox.cli.node_dry_run import dry_run
from sandbox.cli.node_exclude import exclude
from sandbox.cli.own_node import ask_node
from sandbox.cli.party import (
    CARD,
    CaFile,
    Folder,
    HubAt,
    Trusted,
    hand_over,
    key_in,
    open_folder,
    write_once,
    write_settings,
)
from sandbox.cli.render import command, moment, scan_text, show_next
from sandbox.cli.terminal import listing, row, say, say_exactly, say_json, show
from sandbox.keys import load_key
from sandbox.keys.card import Card

if TYPE_CHECKING:
    from sandbox.node.serve import NodeKeys

app = typer.Typer(help="Run a node and look at what left it (owner).", no_args_is_help=True)
Config = NodeConfig
app.command()(alarms)
app.command()(acknowledge)
app.command()(exclude)
app.command()(audit)
app.command()(dry_run)


@app.command()
def init(
    folder: Folder,
    owner: Annotated[str, typer.Option(help="Your owner id in the roster.")],
    hub: HubAt,
    trust: Trusted,
    name: Annotated[str, typer.Option(help="Your name as people read it; the id if you say none.")] = "",
    node: Annotated[str, typer.Option(help="The node's id in the roster; node-OWNER if you say none.")] = "",
    ca_file: CaFile = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="The node certificate's life.")] = 730,
    ask_passphrase: AskPassphrase = False,
) -> None:
    """Make owner's key, node's keys, a commented node.yaml and the card for the authority. What is there is kept.

    Where the owner's key must not lie on the node's machine, or several sign: 'unseen node keys' and 'certify'.
    """
    from sandbox.node.config import load_config
    from sandbox.node.example import node_yaml
    from sandbox.node.serve import NODE_KEY, prepare

    node = node or f"node-{owner}"
    open_folder(folder, trust, ca_file)
    key = key_in(folder, "owner.key", ask_passphrase)
    write_once(folder / "node.yaml", node_yaml(node, owner, hub))
    state = load_config(folder / "node.yaml").state_dir
    publics = prepare(state, None if (state / NODE_KEY).exists() else new_passphrase(ask_passphrase, "the node's keys"))
    entry = _certified(owner, node, publics, [key], days)
    card = OwnerEntry(id=owner, name=name or owner, keys=(key.public.text,), threshold=1, nodes=(entry,))
    hand_over(folder / CARD, Card(owner=card), key.public)
    here = folder.resolve()
    own = {"UNSEEN_OWNER": owner, "UNSEEN_KEY": here / "owner.key", "UNSEEN_NODE_CONFIG": here / "node.yaml"}
    write_settings(folder, hub, **own)


@app.command("keys")
def keys_(
    folder: Annotated[Path, typer.Argument(help="The node's state folder.")], ask_passphrase: AskPassphrase = False
) -> None:
    """Make the node's keys and print the public ones (signing, sealing), for the owner to certify elsewhere."""
    from sandbox.node.serve import NODE_KEY, prepare

    keys = prepare(folder, None if (folder / NODE_KEY).exists() else new_passphrase(ask_passphrase, "the node's keys"))
    say_exactly(keys.signing.text)
    say_exactly(keys.sealing.text)


@app.command()
def certify(
    owner: Annotated[str, typer.Option(help="Owner id.")],
    node: Annotated[str, typer.Option(help="Node id.")],
    public: Annotated[str, typer.Option(help="The node's signing key, ed25519:..., from 'unseen node keys'.")],
    sealing: Annotated[str, typer.Option(help="The node's sealing key, x25519:..., from 'unseen node keys'.")],
    key: KeyFile,
    name: Annotated[str, typer.Option(help="The owner's name as people read it; the id if you say none.")] = "",
    cosign_key: CosignKeys = None,
    signer: Annotated[
        list[str] | None, typer.Option(help="Public key of a further person who may sign for this owner; repeatable.")
    ] = None,
    threshold: Annotated[int, typer.Option(min=1, max=16, help="How many of them must sign.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=3660)] = 730,
    to: Annotated[Path, typer.Option("--out", help="Where the card goes.")] = Path(CARD),
) -> None:
    """Sign the node's certificate with the owner's keys, and write the owner's card for the authority."""
    from sandbox.node.serve import NodeKeys

    signing = [load_key(file) for file in (key, *(cosign_key or ()))]
    publics = NodeKeys(PublicKey.parse(public), SealingPublic.parse(sealing))
    entry = _certified(owner, node, publics, signing, days)
    people = (*(one.public.text for one in signing), *(signer or ()))
    card = OwnerEntry(id=owner, name=name or owner, keys=people, threshold=threshold, nodes=(entry,))
    hand_over(to, Card(owner=card), signing[0].public)


def _certified(owner: str, node: str, keys: NodeKeys, signers: Sequence[SigningKey], days: int) -> NodeEntry:
    from datetime import timedelta

    from sandbox.keys import certify_node

    start = now() - timedelta(hours=1)  # clocks differ
    return certify_node(owner, node, *keys, start, start + timedelta(days=days), signers)


@app.command()
def serve(config: Config) -> None:
    """Run the node. It opens no port: it asks the hub for work and checks everything again."""
    from sandbox.node.config import load_config
    from sandbox.node.serve import serve as serve_node

    serve_node(load_config(config))


@app.command()
def status(config: Config, as_json: AsJson = False) -> None:
    """What runs, what was spent, how far the log was followed."""
    answer = ask_node(config, {"do": "status"})
    if as_json:
        say_json(answer)
        return
    say("[bold]{node}[/]  log followed to entry {size}", node=answer["node"], size=answer["log_size"])
    if answer["log_failure"]:
        say("[bold red]the log does not hold:[/] {why}", why=answer["log_failure"])
    for run in answer["running"]:
        say("runs job {job}{scan}", job=run["job"], scan=scan_text(run["scan"]))
    for name, version in answer["datasets"].items():
        say("holds {name}, version {version}…", name=name, version=version[:20])
    standing = [item for item in ask_node(config, {"do": "alarms"})["alarms"] if item["acknowledged"] is None]
    if standing:
        say("[bold red]{count} alarm(s) stand: this node runs no job[/]", count=len(standing))
        show_next("unseen node alarms")
    for account, amount in answer["spent"].items():
        say("spent {amount:>9,} of {account}…", amount=amount, account=account[:40])


@app.command()
def sent(config: Config, as_json: AsJson = False) -> None:
    """Everything that left this node, from its own encrypted record."""
    entries = ask_node(config, {"do": "sent"})["entries"]
    if as_json:
        say_json(entries)
        return
    if not entries:
        say("nothing has left this node")
        return
    title = "What left this node (本节点外发记录)"
    table = listing("no.", "when (UTC)", "job", "round", "operator", "cells", title=title)
    for entry in entries:
        row(
            table,
            entry["sequence"],
            moment(entry["at"]),
            entry["job"],
            entry["round"],
            entry["operator"],
            f"{entry['count']:,}" if "count" in entry else "",
        )
    show(table)
    show_next("unseen node export --out sent.json  (for the auditor)")


@app.command()
def export(config: Config, to: Annotated[Path, typer.Option("--out", help="File for the auditor.")]) -> None:
    """Write the signed list of all messages that left: the auditor reconciles it with the hub's log."""
    import json

    after: int | None = 0
    page = 1
    while after is not None:
        answer = ask_node(config, {"do": "export", "after": after})
        file = to if page == 1 else to.with_name(f"{to.stem}-{page}{to.suffix}")
        file.write_text(json.dumps(answer["record"]))
        say("written to {file}", file=file)
        after, page = answer["next"], page + 1
    show_next("the auditor: " + command("unseen log reconcile", to))


@app.command()
def revoke(
    config: Config,
    grant: Annotated[str, typer.Argument(help="Digest of the grant.")],
    key: KeyFile,
    reason: Annotated[str, typer.Option(help="Why.")] = "revoked by the owner",
    hub: HubUrl = "",
    token_file: TokenFile = None,
) -> None:
    """Revoke a grant: this node obeys first, then the hub is told (撤回授权)."""
    from sandbox.client import build_revocation
    from sandbox.node.config import load_config

    settings = load_config(config)
    envelope = build_revocation(settings.owner, Digest(grant), [load_key(key)], now(), reason)
    answer = ask_node(config, {"do": "revoke", "revocation": envelope.to_json()})
    say("this node obeys the revocation now")
    if not answer["known"]:
        say("[bold]nothing has run here under this grant[/]: compare its digest with your list of grants")
    if token_file is not None:
        with connect(hub or settings.hub, token_file) as client:
            client.revoke(envelope)
        say("the hub has been told")
