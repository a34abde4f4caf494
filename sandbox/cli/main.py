"""``unseen``: one command for operators, owners, auditors and services. Heavy parts are imported when they are used."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from jobs.kinds.registry import add
from sandbox.cli import authority, data, hub, job, log, node, operator, review, verify, witness
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
app.add_typer(operator.app, name="operator")
app.add_typer(witness.app, name="witness")
app.add_typer(authority.app, name="authority")
app.command("verify")(verify.verify)
app.command("usage")(log.usage)


@app.callback()
def know_kinds(
    kind: Annotated[
        list[str] | None,
        typer.Option(envvar="UNSEEN_KINDS", help="Package of a further kind of job whose code you trust; repeatable."),
    ] = None,
) -> None:
    """What holds for all commands: which kinds of jobs there are, beside unseen's own."""
    for package in kind or ():
        try:
            add(package)
        except ModuleNotFoundError:
            raise typer.BadParameter(f"there is no package {package} of a kind of job on the Python path") from None


def main() -> None:
    """Entry point. Typed errors become one line and exit code 1; a usage error is 2; nothing else is caught."""
    try:
        check_one_origin()
        app()
    except Exception as error:
        explain_and_exit(error, sys.argv)
