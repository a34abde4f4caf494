"""``make serve``: the demo's federation, left running, and the same one at the next start. ``make stop`` ends it.

It is served from a terminal, or from one that is closed meanwhile; whoever holds the folder's lock serves it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.panel import Panel

from examples.stage import Stage, keep_stage, stop
from sandbox.local.layout import STATUS_LIFE, Places

ROOT: Final = Path(".demo")
out: Final = Console(highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, help="the hub's port; without it the one of last time, at first 8440")
    parser.add_argument("--stop", action="store_true", help="end the federation that is served from this folder")
    given = parser.parse_args()
    if given.stop:
        out.print("ended; 'make serve' goes on with it" if stop(ROOT) else "no federation is served from this folder")
        return
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell starts background jobs with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    signal.signal(signal.SIGHUP, leave_terminal)
    serve(given.port)


def serve(port: int | None) -> None:
    """Until Ctrl-C, SIGTERM or ``make stop``; a closed terminal is no reason to end."""
    out.print(Panel("three airports, served until 'make stop' (可用不可见)", style="bold", expand=False))
    stage = None
    try:
        with out.status("starting"):
            stage = keep_stage(lambda text: out.print(f"  [dim]{text}[/]"), ROOT, port)
        show_walk(stage)
        while True:
            time.sleep(STATUS_LIFE.total_seconds() / 4)  # the authority publishes its status list in time
            stage.federation.refresh_status()
    except KeyboardInterrupt:
        out.print("ending; what was registered, asked and granted is kept")
    finally:
        if stage is not None:
            stage.close()


def leave_terminal(*_: Any) -> None:
    """The terminal was closed: nobody reads any more, and writing to it would fail."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def show_walk(stage: Stage) -> None:
    """Say, in lines that can be copied, how each party takes part."""
    places = stage.places
    say = partial(out.print, soft_wrap=True, highlight=False)
    for name in ("acme", *places.owners, "auditor"):
        (ROOT / f"{name}.env").write_text(settings(places, name))
    first = places.owners[0]
    say(f"\nThe hub is at [bold]{places.url}[/]; its API is described at {places.url}/v1/openapi.json")
    say("Each party has a file of settings; open a terminal for each, or play them in turn in one.")
    say("\n1. the operator (授权运营) asks")
    say(f"   . {ROOT}/acme.env\n   unseen job explain examples/jobs/delay-by-hour.yaml")
    say("   unseen job submit examples/jobs/delay-by-hour.yaml        [dim]it prints JOB[/]")
    say(f"2. every owner ({', '.join(places.owners)}) reads and signs")
    say(f"   . {ROOT}/{first}.env\n   unseen review list")
    say("   unseen review approve JOB                                    [dim]it shows what you sign, and asks[/]")
    say("3. the operator fetches table and receipt, and anybody verifies")
    say(f"   . {ROOT}/acme.env\n   unseen job watch JOB\n   unseen job release JOB")
    say("   unseen job receipt JOB\n   unseen verify receipt.json")
    say("4. an owner sees what left and what all answers tell; the auditor checks the log and computes the table again")
    say(f"   . {ROOT}/{first}.env\n   unseen node sent\n   unseen node audit")
    say(f"   . {ROOT}/auditor.env\n   unseen log list\n   unseen log verify\n   unseen log recompute JOB")
    say("\nIn a notebook: . .demo/acme.env, then notebooks/first-statistic.ipynb.")
    say("It stays when this terminal closes; Ctrl-C or [bold]make stop[/] ends it, and the next make serve goes on.")


def settings(places: Places, name: str) -> str:
    """A shell file that makes whoever reads it this party, and finds the ``unseen`` command."""
    values = {"UNSEEN_HUB": places.url, "UNSEEN_TRUST": places.trust.resolve()}
    if name in places.owners:
        folder = places.owner(name)
        values |= {"UNSEEN_OWNER": name, "UNSEEN_KEY": (folder / "owner.key").resolve()}
        values |= {"UNSEEN_NODE_CONFIG": (places.node(name) / "node.yaml").resolve()}
    elif name in places.operators:
        folder = places.operator(name)
        values |= {"UNSEEN_OPERATOR": name, "UNSEEN_KEY": (folder / "operator.key").resolve()}
    else:
        folder = places.auditor
    values |= {"UNSEEN_TOKEN_FILE": (folder / "token").resolve()}
    mine = ["unset UNSEEN_OPERATOR UNSEEN_OWNER UNSEEN_KEY UNSEEN_NODE_CONFIG"]
    mine += [f"export {key}={shlex.quote(str(value))}" for key, value in values.items()]
    return "\n".join([*mine, f'PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"', ""])


if __name__ == "__main__":
    main()
