"""Verify a receipt offline: no hub, no network, no Ray; only the pinned root in trust.json is believed."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli.context import AsJson, now
from sandbox.cli.render import show_checks
from sandbox.cli.terminal import say, say_json
from sandbox.keys import Trust
from sandbox.verify import verify_receipt


def verify(
    receipt: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="receipt.json")],
    trust: Annotated[Path, typer.Option("--trust", envvar="UNSEEN_TRUST", exists=True, help="trust.json")],
    release: Annotated[Path | None, typer.Option(help="The released file (.csv or .arrow), to compare.")] = None,
    salt: Annotated[Path | None, typer.Option(help="Its salt, from 'unseen job release --salt-out'.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a receipt (and a released file) offline; exit code 0 only if everything holds."""
    content = release.read_bytes() if release else None
    salted = base64.b64decode(salt.read_text().strip(), validate=True) if salt else None
    verified = verify_receipt(receipt.read_bytes(), Trust.load(trust), now(), content, salted)
    if as_json:
        say_json({"valid": True, "checks": verified.checks, "release": verified.release.document.id})
        return
    show_checks(verified.checks)
    say("[bold green]The receipt holds.[/] {source}", source=verified.release.document.source_line)
