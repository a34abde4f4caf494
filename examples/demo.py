"""``make demo``: the main job from end to end, on the real New York flights of 2013, with real processes.

Three airports that never show each other a row, one operator who gets one vetted table, one receipt that anybody can
verify offline. Then everybody cheats, and is caught. ``make serve`` (``examples.serve``) leaves everything
running instead.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.panel import Panel
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from examples import insider
from examples.prepare_flights import prepare
from examples.stage import DATA, HERE, Stage, raise_curtain, register_all
from sandbox.cli.node_audit import audit
from sandbox.cli.render import show_reasons, show_table, show_words
from sandbox.cli.terminal import say
from sandbox.client import Client, Job, draft_grant, said
from sandbox.client.client import Finished
from sandbox.client.views import reason_text
from sandbox.errors import ReceiptRefused, SandboxError
from sandbox.local.federation import parquet, read_dataset, read_job
from sandbox.verify import verify_receipt

out: Final = Console(highlight=False)
ROOT: Final = Path(".demo-story")


def main() -> None:
    started = time.monotonic()
    title = "usable, not visible (可用不可见): three airports, one statistic, one receipt"
    out.print(Panel(title, style="bold", expand=False))
    out.print("[dim]On one machine the three nodes share one Ray runtime. In production each owner runs its own.[/]")
    with working("preparing the stage") as say:
        stage = raise_curtain(say, ROOT)
    try:
        with working("1. owners register their data") as say:
            register_all(stage, say)
        play(stage)
        out.print(f"\n[bold green]The whole story took {time.monotonic() - started:.0f} s.[/]")
        out.print(f"The files of this run are in {ROOT}/results.")
        out.print("next: [bold]make serve[/] leaves it running and says how each party takes part")
    finally:
        stage.close()


def play(stage: Stage) -> None:
    results = ROOT / "results"
    results.mkdir()
    catalogue(stage)
    job, spec = submit(stage)
    grants = approve(stage, job)
    done = run(stage, job)
    receipt = fetch(stage, done, results)
    verify_offline(stage, results)
    tamper(stage, receipt, results)
    refusals(stage, job, grants, spec)
    recompute(stage, job)
    reconcile(stage, results)


def catalogue(stage: Stage) -> None:
    with stage.federation.operator() as client:
        found = [client.dataset(name) for name in ("flights", "planes")]
    grid = Grid("dataset", "privacy unit", "columns", "held by", title="The catalogue (数据目录)", title_justify="left")
    for item in found:
        held = ", ".join(holding["provider"] for holding in item["holdings"])
        grid.add_row(item["dataset"]["name"], item["dataset"]["unit"], str(len(item["dataset"]["columns"])), held)
    out.print(grid)


def submit(stage: Stage) -> tuple[Job, dict[str, Any]]:
    heading("2. the operator (授权运营) submits a statistic")
    spec = read_job(HERE / "jobs" / "delay-by-hour.yaml")
    out.print(spec["sql"].strip(), style="cyan")
    job = stage.federation.submit(spec)
    out.print(f"state: [yellow]{job.state.replace('_', ' ')}[/]")
    show_reasons(job.reasons)
    return job, spec


def approve(stage: Stage, job: Job) -> dict[str, Any]:
    heading("3. each owner reads the plan on its own machine, and signs with its own key")
    with stage.federation.owner("EWR") as client:
        review = next(review for review in client.reviews() if review.job == job.id)
        now = datetime.now(UTC).replace(microsecond=0)
        grant = draft_grant(review, "EWR", now, now + timedelta(days=30), runs=2)
        show_words(said(grant.payload(), review).text(), "What EWR would sign")
    grants = {}
    for owner in stage.places.owners:
        grants[owner] = stage.federation.approve(owner, job.id, runs=2)
        out.print(f"{owner} grants 2 runs to 'acme': {grants[owner].digest[:27]}…")
    return grants


def run(stage: Stage, job: Job) -> Finished:
    heading("4. the nodes check everything again, then: keys, masked flags, masked noisy values of passing cells only")
    with stage.federation.operator() as client:
        done = follow(client, job.id)
        if done.table is None:
            raise RuntimeError(f"the job did not end in a release: {done.job.state} {done.job.failure}")
        show_table(done.table, limit=24)
    out.print("Every node computed this table again from all messages and signed it before anybody could read it.")
    return done


def fetch(stage: Stage, done: Finished, results: Path) -> bytes:
    with stage.federation.operator() as client:
        for form in ("csv", "arrow"):
            (results / f"release.{form}").write_bytes(client.download(done.job.id, form))
        (results / "release.salt").write_text(str(client.release(done.job.id)["salt"]))
        receipt = client.receipt(done.job.id, wait=30)
    (results / "receipt.json").write_bytes(receipt)
    shutil.copy(stage.places.trust, results / "trust.json")
    out.print(f"[dim]release.csv, release.arrow and receipt.json ({len(receipt):,} bytes) are in {results}[/]")
    return receipt


def verify_offline(stage: Stage, results: Path) -> None:
    heading("5. anybody verifies the receipt (存证) offline: no hub, no network, only the pinned root")
    command = "unseen verify receipt.json --trust trust.json --release release.csv --salt release.salt"
    out.print(f"$ {command}", style="cyan")
    program = [sys.executable, "-m", "sandbox.cli", *command.split()[1:]]
    subprocess.run(program, cwd=results, check=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})


def tamper(stage: Stage, receipt: bytes, results: Path) -> None:
    heading("   and whoever changes anything is caught")
    trust = stage.federation.trust
    csv = (results / "release.csv").read_bytes()
    salt = base64.b64decode((results / "release.salt").read_text())
    last = max(place for place, byte in enumerate(csv) if byte in b"0123456789")
    changed = csv[:last] + (b"9" if csv[last:last + 1] != b"9" else b"8") + csv[last + 1:]  # fmt: skip
    caught("one value of the released table", lambda: verify_receipt(receipt, trust, None, changed, salt))
    place = receipt.index(b'"payload":"') + 40
    flipped = receipt[:place] + (b"A" if receipt[place : place + 1] != b"A" else b"B") + receipt[place + 1 :]
    caught("one byte of the receipt", lambda: verify_receipt(flipped, trust))
    with stage.federation.auditor() as client:
        number, why = insider.edit_one_entry(client, trust)
    show_caught(f"entry {number} of the log", "the auditor, from all entries", why)
    with working("the hub shows the witness another history") as _:
        failure = insider.show_two_histories(stage.places, stage.processes, lambda: ask_and_cancel(stage))
    show_caught("two histories of the log", "the witness", f"{failure.code}: {failure}")


def refusals(stage: Stage, first: Job, grants: dict[str, Any], spec: dict[str, Any]) -> None:
    heading("6. refusals, with their reasons")
    federation = stage.federation
    small = federation.submit(read_job(HERE / "jobs" / "delay-by-route.yaml"))
    show_refusal("a job outside the grants' scope", small.state, first_reason(small))
    federation.approve_all(small.id)
    with federation.operator() as client:
        table = follow(client, small.id).table
        shown: Mapping[str, Any] = client.release(small.id)
    verdict = shown["verdict"]
    withheld = f"{verdict['suppressed']} of {verdict['cells']} numbers withheld"
    show_refusal("groups that are too small, or empty", withheld, f"{len(table or ())} rows could be shown")
    used_up(stage)
    new_version(stage, spec)
    forged(stage, first)


def used_up(stage: Stage) -> None:
    """A grant for one run over two allowed values of the parameter: the second value finds it used."""
    federation = stage.federation
    spec = read_job(HERE / "jobs" / "long-haul.yaml")
    job = federation.submit(spec)
    for owner in stage.places.owners:
        federation.approve(owner, job.id, runs=1, allowed={"miles": [1000, 2000]})
    with federation.operator() as client:
        follow(client, job.id)
    again = federation.submit({**spec, "parameters": {"miles": 2000}}, commitment=federation.commitments[-1])
    show_refusal("a grant used once more than allowed", again.state, first_reason(again))


def new_version(stage: Stage, spec: dict[str, Any]) -> None:
    """EWR registers a corrected file: its grant was for the exact version before."""
    import pyarrow.parquet as pq

    federation = stage.federation
    file = ROOT / "flights-EWR-corrected.parquet"
    table = pq.read_table(prepare(DATA)["EWR"])
    pq.write_table(table.slice(0, table.num_rows - 1), file)
    dataset = read_dataset(HERE / "datasets" / "flights.yaml")
    federation.register("EWR", dataset, parquet(file), rows_at_most=200_000, label="2013, corrected")
    job = federation.submit(spec, commitment=federation.commitments[0])
    show_refusal("the data version changed since the grant", job.state, first_reason(job))


def forged(stage: Stage, first: Job) -> None:
    """An insider signs an order with the hub's real key. The nodes do not care whose key it is."""
    with working("an insider forges a permit with the hub's real key") as _:
        permit = insider.forge_permit(stage.places, stage.processes, first.id)
        said = wait_for_line(stage, "node-JFK", "refused an order")
    show_refusal(f"a permit forged by the hub ({permit})", "refused by node-JFK", said)


def recompute(stage: Stage, first: Job) -> None:
    heading("7. the auditor computes the table again from what the nodes signed; an owner sees what all answers tell")
    out.print(f"$ unseen log recompute {first.id}", style="cyan")
    with stage.federation.auditor() as client:
        for check in client.recompute(first.id).checks:
            say("[green]ok[/]  {check}", check=check)
    out.print("$ unseen node audit", style="cyan")
    audit(stage.places.node("JFK") / "node.yaml")


def reconcile(stage: Stage, results: Path) -> None:
    heading("8. an owner lists what left its node; the auditor reconciles: the forged order left a trace")
    entries = stage.federation.ask_node("JFK", {"do": "sent"})["entries"]
    grid = Grid(
        "no.", "job", "round", "operator", "pairs (statistic, cell)", title="What left node-JFK, from its own record"
    )
    for entry in entries:
        grid.add_row(
            str(entry["sequence"]), entry["job"], entry["round"], entry["operator"], str(entry.get("count", ""))
        )
    out.print(grid)
    for line in stage.federation.reconcile(results):
        out.print(line)


def ask_and_cancel(stage: Stage) -> None:
    """Something harmless that the log records."""
    job = stage.federation.submit(read_job(HERE / "jobs" / "delay-by-route.yaml"))
    with stage.federation.operator() as client:
        client.cancel(job.id)


# pieces ------------------------------------------------------------------------------------------------------------


def follow(client: Client, job: str) -> Finished:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        line = progress.add_task("running")
        return client.wait(job, 120, on_change=lambda j: progress.update(line, description=f"{j.state}: {j.progress}"))


@contextmanager
def working(title: str) -> Iterator[Any]:
    """A heading with a spinner; what is said goes under it."""
    heading(title) if title[0].isdigit() else None
    with out.status(title):
        yield lambda text: out.print(f"  [dim]{text}[/]")


def heading(text: str) -> None:
    out.print(f"\n[bold]{text}[/]")


def caught(what: str, attempt: Any) -> None:
    try:
        attempt()
    except ReceiptRefused as refused:
        show_caught(what, "the offline verifier", f"{refused.step}: {refused}")
    except SandboxError as error:
        show_caught(what, "the offline verifier", str(error))
    else:
        raise RuntimeError(f"{what} was changed and nobody noticed")


def show_caught(what: str, who: str, why: str) -> None:
    say("[green]caught[/]  {what}: by {who}", what=what, who=who)
    say("        [dim]{why}[/]", why=why)


def show_refusal(what: str, state: str, why: str) -> None:
    say("[red]refused[/] {what}: [yellow]{state}[/]", what=what, state=state.replace("_", " "))
    say("        [dim]{why}[/]", why=why)


def first_reason(job: Job) -> str:
    return reason_text(job.reasons[0]) if job.reasons else str(job.failure)


def wait_for_line(stage: Stage, process: str, text: str) -> str:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        lines = [line for line in stage.processes.log_of(process).splitlines() if text in line]
        if lines:
            return lines[-1].split("refused an order: ")[-1].split("  event=")[0]
        time.sleep(0.1)
    raise RuntimeError(f"{process} never wrote {text!r}")


if __name__ == "__main__":
    main()
