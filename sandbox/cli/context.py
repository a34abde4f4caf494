"""What all commands share: where the hub is, whose token, JSON or tables, and how an error is told."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from adapters.errors import AdapterError
from jobs.errors import JobError
from mpc.errors import MpcError
from sandbox.cli.terminal import err, fail_json, say
from sandbox.client import Client
from sandbox.errors import InvalidSpec, SandboxError
from sandbox.hub_http import HubFailure
from sandbox.keys import Trust, given_passphrase, read_private

HubUrl = Annotated[str, typer.Option("--hub", envvar="UNSEEN_HUB", help="The hub's address.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", envvar="UNSEEN_TOKEN_FILE", help="File with your bearer token (0600).")
]
TrustFile = Annotated[
    Path | None, typer.Option("--trust", envvar="UNSEEN_TRUST", help="trust.json with the authority's pinned root.")
]
KeyFile = Annotated[Path, typer.Option("--key", envvar="UNSEEN_KEY", help="Your own signing key; it never leaves.")]
CosignKeys = Annotated[
    list[Path] | None,
    typer.Option("--cosign-key", help="Another signer's key, where several must sign for this owner."),
]
NodeConfig = Annotated[
    Path,
    typer.Option("--config", envvar="UNSEEN_NODE_CONFIG", exists=True, dir_okay=False, help="node.yaml of your node."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
AskPassphrase = Annotated[
    bool, typer.Option("--ask-passphrase", help="Ask for a passphrase for what is made; else UNSEEN_PASSPHRASE_FILE.")
]
_EXTRA_OF: Final = {
    **dict.fromkeys(("numba", "llvmlite", "gmpy2", "phe", "tenseal", "rbcl"), "mpc"),
    **dict.fromkeys(("ray", "duckdb", "opendp", "sqlglot", "sqlalchemy", "alembic"), "node"),
    **dict.fromkeys(("fastapi", "uvicorn", "sse_starlette", "starlette"), "hub"),
    "psycopg": "postgres",
}
"""Package -> the extra of unseen that brings it. What both need is the hub's in its own commands."""
DEFAULT_HUB: Final = "http://127.0.0.1:8440"


def connect(hub: str, token_file: Path | None, trust: Path | None = None) -> Client:
    """A client for this call. The token comes from a private file, never from the command line."""
    if token_file is not None and not token_file.exists():
        raise FileNotFoundError(errno.ENOENT, "no token", str(token_file))
    token = read_private(token_file).decode().strip() if token_file else ""
    return Client(hub, token, Trust.load(trust) if trust else None)


def new_passphrase(ask: bool, what: str) -> bytes | None:
    """For a new secret: from the file that UNSEEN_PASSPHRASE_FILE names, or asked for twice. Without one it warns."""
    found = given_passphrase()
    if found is None and ask:
        found = str(typer.prompt(f"Passphrase of {what}", hide_input=True, confirmation_prompt=True, err=True)).encode()
    if found is None:
        say(
            "[bold red]warning[/] {what} is [bold]not encrypted[/]: whoever copies the file has it. "
            "Set UNSEEN_PASSPHRASE_FILE or give --ask-passphrase; 'unseen authority lock FILE' does it later.",
            to=err,
            what=what,
        )
    return found


def need_trust(trust: Path | None) -> Path:
    """Raise a usage error without a pinned root: what the hub says is not enough here."""
    if trust is None:
        raise typer.BadParameter("name your trust.json: --trust or UNSEEN_TRUST", param_hint="--trust")
    return trust


def check_new(file: Path, *endings: str) -> None:
    """Refuse an output that is there already, or of a form that is not written, before anything is asked or said."""
    if endings and file.suffix not in endings:
        raise typer.BadParameter(f"name the file {' or '.join(endings)}", param_hint=str(file))
    if file.exists():
        raise InvalidSpec(f"there is a file {file} already: move it away, or name another with --out")
    if not file.parent.is_dir():
        raise InvalidSpec(f"there is no folder {file.parent}: make it, or name another file with --out")


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def day(text: str) -> datetime:
    """``2026-12-31`` as the end of that day in UTC, or ``30d`` from now."""
    if re.fullmatch(r"[0-9]{1,5}d", text):
        return now() + timedelta(days=int(text[:-1]))
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
    except ValueError:
        raise typer.BadParameter("write a day as 2026-12-31, or a span as 30d") from None


def parameters_of(values: list[str]) -> dict[str, str | int | bool]:
    """``name=value`` pairs; whole numbers and true/false become themselves, everything else stays text."""
    found: dict[str, str | int | bool] = {}
    for item in values:
        name, equals, value = item.partition("=")
        if not equals:
            raise typer.BadParameter(f"write a parameter as name=value, not {item!r}")
        found[name] = _scalar(value)
    return found


def budgets_of(values: list[str]) -> dict[str, int]:
    """``unit=1000`` pairs."""
    found: dict[str, int] = {}
    for item in values:
        unit, _, amount = item.partition("=")
        if not unit or not re.fullmatch(r"[0-9]{1,15}", amount):
            raise typer.BadParameter(f"write a budget as unit=1000, not {item!r}")
        found[unit] = int(amount)
    return found


def _scalar(text: str) -> str | int | bool:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else text


def explain_and_exit(error: Exception, arguments: list[str]) -> NoReturn:
    """One typed refusal: what happened, what to change. Unknown errors are shown whole: they are bugs."""
    as_json = "--json" in arguments
    known: Mapping[str, Any] | None = None
    if isinstance(error, HubFailure):
        known = {"code": error.code, "detail": error.detail, "advice": error.advice}
    elif isinstance(error, SandboxError):
        known = {"code": error.code, "detail": str(error), "advice": error.advice}
    elif isinstance(error, JobError):
        known = {"code": error.code, "detail": str(error), "advice": getattr(error, "advice", "")}
    elif isinstance(error, AdapterError | MpcError):
        known = {"code": type(error).__name__, "detail": str(error), "advice": ""}
    elif isinstance(error, TimeoutError):
        known = {
            "code": "still-running",
            "detail": str(error),
            "advice": "Nothing is lost: watch on, longer with --timeout.",
        }
    elif isinstance(error, FileNotFoundError):
        known = {"code": "no-such-file", "detail": f"there is no file {error.filename}",
                 "advice": "Check the path, in the option or in the UNSEEN_ variables of your shell."}  # fmt: skip
    elif isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in _EXTRA_OF:
        part = str(error.name).partition(".")[0]
        extra = "hub" if "hub" in arguments[1:2] else _EXTRA_OF[part]
        known = {
            "code": "not-installed",
            "detail": f"this command needs {part}, which is not installed: it comes with the extra [{extra}]",
            "advice": f"From a checkout: pip install '.[{extra}]'",
        }
    if known is None:
        raise error
    if as_json:
        fail_json({"error": known})
    else:
        say("[bold red]refused[/] [red]({code})[/] {detail}", to=err, **known)
        if known["advice"]:
            say("[dim]{advice}[/]", to=err, advice=known["advice"])
        if examples := getattr(error, "examples", ()):
            say("[dim]on this machine only, never sent:[/]", to=err)
            for example in examples:
                say("  {example}", to=err, example=example)
        if known["code"] in ("invalid-transition", "still-running", "not-yet"):
            for job in [word for word in arguments if word.startswith("job-")][:1]:
                say("[dim]next:[/] unseen job show {job}", to=err, job=job)
    raise SystemExit(1)
