"""``unseen``: one command for operators, owners, auditors and services. Heavy parts are imported when they are used."""

from __future__ import annotations

import sys

import typer

from sandbox.cli import authority, data, hub, job, log, node, review, verify, witness
from sandbox.cli.context import explain_and_exit
from sandbox.one_distribution import check_one_origin

app = typer.Typer(
    name="unseen",
    help="Public data, usable but not visible (可用不可见): joint statistics with a receipt that anybody can verify.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(job.app, name="job")
app.add_typer(review.app, name="review")
app.add_typer(data.app, name="data")
app.add_typer(log.app, name="log")
app.add_typer(hub.app, name="hub")
app.add_typer(node.app, name="node")
app.add_typer(witness.app, name="witness")
app.add_typer(authority.app, name="authority")
app.command("verify")(verify.verify)
app.command("usage")(log.usage)


def main() -> None:
    """Entry point. Typed errors become one line and exit code 1; a usage error is 2; nothing else is caught."""
    try:
        check_one_origin()
        app()
    except Exception as error:
        explain_and_exit(error, sys.argv)
