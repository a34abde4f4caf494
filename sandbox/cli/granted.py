"""An owner's grants by whatever name a person has at hand, and what has left under them already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.cli.render import moment
from sandbox.cli.terminal import say
from sandbox.client import Client
from sandbox.client.answers import GrantLine
from sandbox.errors import InvalidSpec, NotFound

_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{6,64}")
_SHORT = 12


def short(digest: str) -> str:
    """As many characters of a digest as name one grant among an owner's."""
    return digest.removeprefix("sha256:")[:_SHORT]


def find_grant(client: Client, owner: str, name: str) -> GrantLine:
    """The owner's one grant that a digest, the start of one, a grant's id or a job's id names.

    Raises ``NotFound`` for none, ``InvalidSpec`` naming them for several.
    """
    own = [line for line in client.grants() if line["owner"] == owner]
    found = [line for line in own if line["id"] == name or (_DIGEST.fullmatch(name) and _starts(line, name))]
    if not found and name.startswith("job-"):
        found = [line for line in own if _is_for(line, client.job(name).raw)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidSpec(f"several grants fit {name}: " + ", ".join(short(line["digest"]) for line in found))
    raise NotFound(f"{owner} has given no grant that {name} names; 'unseen review history' lists all")


def jobs_under(client: Client, grant: GrantLine) -> list[str]:
    """The jobs that this grant is for, as the hub knows them."""
    same_plan = [line.id for line in client.jobs() if line.plan_digest == grant["plan_digest"]]
    return [job for job in same_plan if _is_for(grant, client.job(job).raw)]


def show_left(entries: Iterable[Mapping[str, Any]], jobs: Sequence[str]) -> None:
    """What this node has sent for these jobs, from its own record: nobody takes it back."""
    sent = [entry for entry in entries if entry["job"] in jobs]
    if not sent:
        say("nothing has left this node under it")
        return
    for job in dict.fromkeys(entry["job"] for entry in sent):
        own = [entry for entry in sent if entry["job"] == job]
        say(
            "[bold]has left already[/] for {job}: {rounds}, the last at {at} UTC; nobody can take that back",
            job=job,
            rounds=", ".join(entry["round"] for entry in own),
            at=moment(own[-1]["at"]),
        )


def _starts(line: GrantLine, name: str) -> bool:
    return line["digest"].startswith(f"sha256:{name.removeprefix('sha256:')}")


def _is_for(line: GrantLine, job: Mapping[str, Any]) -> bool:
    """Whether a grant is for this job's plan under this job's commitment."""
    return (line["plan_digest"], line["grant"]["commitment"]) == (job.get("plan_digest"), job.get("commitment"))
