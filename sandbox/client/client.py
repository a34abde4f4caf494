"""Calls the hub's public API. One method per call, typed results, ``HubRefused`` or ``HubAway``. Thread-safe."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from jobs.documents import Envelope, Permit, Roster, StatusList, Verified, check_fresh, verify_status
from jobs.documents.message import Header
from jobs.documents.status import check_latest
from jobs.errors import BadDocument, Expired
from jobs.kinds.registry import forecast_of, kind_of
from sandbox.audit import Note
from sandbox.client import answers
from sandbox.client.asking import Answer, Question, ask
from sandbox.client.operator import Signer
from sandbox.client.own_plan import check_own_plan
from sandbox.client.recompute import Recomputed, recompute
from sandbox.client.review import Review, Unreadable, examine
from sandbox.client.table import Table
from sandbox.client.views import DryRun, Job, Preview
from sandbox.errors import InvalidSpec
from sandbox.hub_http import HubAway, HubHttp, HubRefused
from sandbox.keys import Trust, load_key, read_private
from sandbox.keys.chain import current_roster
from sandbox.messages import INLINE_BYTES
from sandbox.verify import VerifiedLog, first_line, verify_log

_LONG_POLL_S: Final = 20.0
_TOO_OFTEN: Final = 429
_PATIENCE_S: Final = 30.0
"""How long a call waits for its turn by itself."""
T = TypeVar("T")


@dataclass(frozen=True)
class Finished:
    """A job that was waited for. ``table`` is there when it was released."""

    job: Job
    table: Table | None


class Client:
    """``trust`` pins the authority's root: without it nothing that needs a roster (reviews, grants) is possible."""

    def __init__(
        self, url: str, token: str, trust: Trust | None = None, timeout: float = 30.0, signer: Signer | None = None
    ) -> None:
        self._http = HubHttp(url, token, timeout)
        self._trust = trust
        self._signer = signer

    @classmethod
    def from_environment(cls) -> Client:
        """An operator's client from the settings that ``unseen`` reads too; commitments are kept beside the key.

        Raises ``InvalidSpec`` naming what is missing of UNSEEN_HUB, _TOKEN_FILE, _TRUST, _KEY and _OPERATOR.
        """
        names = ("UNSEEN_HUB", "UNSEEN_TOKEN_FILE", "UNSEEN_TRUST", "UNSEEN_KEY", "UNSEEN_OPERATOR")
        if missing := [name for name in names if not os.environ.get(name)]:
            raise InvalidSpec(f"your environment lacks {', '.join(missing)}: the platform tells you each of them")
        url, token, trust, key, operator = (os.environ[name] for name in names)
        signer = Signer(operator, load_key(Path(key)), Path(key).parent / "commitments")
        return cls(url, read_private(Path(token)).decode().strip(), Trust.load(Path(trust)), signer=signer)

    # operators --------------------------------------------------------------------------------------------------

    def ask(
        self,
        sql: str,
        *,
        purpose: str,
        scenario: str = "joint statistics",
        parameters: Mapping[str, Any] | None = None,
        days: int = 30,
        timeout: float = 600.0,
        tell: Callable[[str], None] | None = print,
    ) -> Answer:
        """Ask a statistic and return its table, verified here: preview, commitment, submission, waiting, receipt.

        Asked again in the same words and for the same purpose, it goes on with the job that waits, or runs under the
        grants that are left; ``tell`` gets a line at each change, ``days`` is how long a new commitment is good. Needs
        ``trust`` and ``signer``. Raises ``HubRefused`` for SQL that is refused, ``QuestionDenied``, ``NotReleased``,
        ``StillWaiting`` after ``timeout`` seconds, ``ReceiptRefused`` for a table that its receipt does not prove, and
        ``HubAway``; each says what to change (``advice``).
        """
        if self._trust is None or self._signer is None:
            raise InvalidSpec("a question needs your pinned root and your own key: use Client.from_environment()")
        question = Question(sql, dict(parameters or {}), scenario, purpose, days)
        return ask(self, self._signer, self._trust, question, timeout, tell or (lambda _: None))

    def preview(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Preview:
        """What a statistic would do; nothing is stored and nothing is spent."""
        return self.preview_request("statistics", {"sql": sql, "parameters": dict(parameters or {})})

    def preview_request(self, kind: str, request: Mapping[str, Any]) -> Preview:
        """Compile and explain a request of any kind; nothing is stored and nothing is spent.

        Raises ``OutOfScope`` for a plan that is not what this machine's own compiler makes of the request.
        """
        found: answers.PlanShown = self._call("POST", "/plans", body={"kind": kind, "request": dict(request)})
        preview = Preview.read(found)
        roster = None if self._trust is None else self.roster()
        check_own_plan(kind_of(kind), request, preview.plan, self.dataset, roster)
        return replace(preview, kind=kind)  # what was asked for, whatever the hub calls it

    def dry_run(self, sql: str, parameters: Mapping[str, Any] | None = None) -> DryRun:
        """How wrong the numbers of a statistic would be, from which count on they are shown, why one may be withheld.

        From plan and declarations alone: no owner's data is looked at, and nothing is stored, charged or spent. Raises
        ``HubRefused`` for a statement that is refused, naming the construct with its position.
        """
        return self.dry_run_request("statistics", {"sql": sql, "parameters": dict(parameters or {})})

    def dry_run_request(self, kind: str, request: Mapping[str, Any]) -> DryRun:
        """``dry_run`` of a request of any kind; raises ``OutOfScope`` for a kind that offers none."""
        preview = self.preview_request(kind, request)
        known = kind_of(kind)
        return DryRun(preview, forecast_of(known, known.read(preview.plan)))

    def submit(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        commitment: Envelope,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit a statistic under a signed commitment. The same idempotency key never makes a second job."""
        request = {"sql": sql, "parameters": dict(parameters or {})}
        return self.submit_request("statistics", request, commitment=commitment, idempotency_key=idempotency_key)

    def submit_request(
        self, kind: str, request: Mapping[str, Any], *, commitment: Envelope, idempotency_key: str | None = None
    ) -> Job:
        """Submit a request of any kind under a signed commitment."""
        body = {"kind": kind, "request": dict(request), "commitment": commitment.to_json()}
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        return Job.read(self._call("POST", "/jobs", body=body, headers=headers))

    def job(self, job_id: str) -> Job:
        return Job.read(self._call("GET", f"/jobs/{job_id}"))

    def jobs(self, **filters: Any) -> Iterator[Job]:
        return (Job.read(item) for item in self._pages("/jobs", **filters))

    def cancel(self, job_id: str) -> Job:
        return Job.read(self._call("POST", f"/jobs/{job_id}/cancel"))

    def events(self, job_id: str, timeout: float | None = None) -> Iterator[answers.StateEvent]:
        """Server-sent events of one job until it is over, or until ``timeout`` seconds have passed."""
        end = None if timeout is None else time.monotonic() + timeout
        for line in self._http.lines(f"/jobs/{job_id}/events", timeout):
            if line.startswith("data:"):
                yield json.loads(line[5:])
            if end is not None and time.monotonic() > end:  # the hub's keep-alive lines come here too
                return

    def watch(self, job: Job | str, timeout: float | None = None) -> Iterator[Job]:
        """The job at every change (state, progress, scans), until it is over or ``timeout`` seconds have passed."""
        current = self.job(job if isinstance(job, str) else job.id)
        for event in self.events(current.id, timeout):
            current = current.after(event)
            yield current
            if current.is_final:
                return

    def wait(self, job: Job | str, timeout: float = 300.0, on_change: Callable[[Job], None] | None = None) -> Finished:
        """Follow the job to its end, and call ``on_change`` at every change; raises ``TimeoutError``."""
        job_id = job if isinstance(job, str) else job.id
        end = time.monotonic() + timeout
        for current in self.watch(job_id, timeout):
            if on_change is not None:
                on_change(current)
            if time.monotonic() > end:
                break
        current = self.job(job_id)
        if current.is_final:
            return Finished(current, self.table(job_id) if current.state == "released" else None)
        raise TimeoutError(f"job {job_id} is still {current.state} ({current.progress})")

    def release(self, job_id: str) -> answers.ReleaseShown:
        """The released table with verdict, outputs, salt and source line, as the hub sends it."""
        found: answers.ReleaseShown = self._call("GET", f"/jobs/{job_id}/release")
        return found

    def table(self, job_id: str) -> Table:
        return Table.read(self.release(job_id))

    def download(self, job_id: str, form: str) -> bytes:
        """The exact committed bytes of one form of the release: ``csv`` or ``arrow`` of a statistic."""
        return _patiently(lambda: self._http.content("GET", f"/jobs/{job_id}/files/{form}"))

    def receipt(self, job_id: str, wait: float = 10.0) -> bytes:
        """The receipt's bytes. Cosignatures may take a moment: they are waited for, ``wait`` seconds at most."""
        end = time.monotonic() + wait
        while True:
            left = max(0.0, min(end - time.monotonic(), _LONG_POLL_S))
            try:
                return self._http.content("GET", f"/jobs/{job_id}/receipt", params={"wait": left}, wait=left)
            except HubRefused as refused:
                if refused.code != "not-yet" or time.monotonic() >= end:
                    raise

    # owners -----------------------------------------------------------------------------------------------------

    def register(self, dataset: Mapping[str, Any], record: Envelope) -> answers.Registered:
        found: answers.Registered = self._call(
            "POST", "/datasets", body={"dataset": dict(dataset), "record": record.to_json()}
        )
        return found

    def requests(self) -> list[answers.RequestShown]:
        """What waits for this owner, as the hub relays it; nothing of it is believed before ``review``."""
        return list(self._pages("/requests"))

    def examine(self) -> list[Review | Unreadable]:
        """What waits for this owner: verified under the pinned root, or why it must not be signed.

        Raises ``Expired`` without a fresh status list: nobody can tell who is stopped and which roster is the latest.
        """
        declared: dict[str, Any] = {}

        def look_up(name: str) -> Any:
            if name not in declared:
                declared[name] = self.dataset(name)["dataset"]
            return declared[name]

        now, roster = datetime.now(UTC), self._last_roster()
        status = self._status(roster)
        if status is None:
            raise Expired("the authority has published no status list yet: nothing is signed before it does")
        check_fresh(status.document, now)
        return examine(self.requests(), roster, status, now, look_up)

    def reviews(self) -> list[Review]:
        """What waits for this owner and may be signed."""
        return [item for item in self.examine() if isinstance(item, Review)]

    def grant(self, envelope: Envelope) -> answers.GrantTaken:
        found: answers.GrantTaken = self._call("POST", "/grants", body=envelope.to_json())
        return found

    def deny(self, envelope: Envelope) -> answers.DenialTaken:
        found: answers.DenialTaken = self._call("POST", "/denials", body=envelope.to_json())
        return found

    def revoke(self, envelope: Envelope) -> answers.RevocationTaken:
        found: answers.RevocationTaken = self._call("POST", "/revocations", body=envelope.to_json())
        return found

    def grants(self) -> list[answers.GrantLine]:
        return list(self._pages("/grants"))

    # everyone ---------------------------------------------------------------------------------------------------

    def datasets(self) -> list[answers.DatasetLine]:
        return list(self._pages("/datasets"))

    def dataset(self, name: str) -> answers.DatasetShown:
        found: answers.DatasetShown = self._call("GET", f"/datasets/{name}")
        return found

    def usage(self) -> list[answers.UsageLine]:
        return list(self._pages("/usage"))

    def health(self) -> answers.Health:
        found: answers.Health = self._call("GET", "/health")
        return found

    def publish_roster(self, envelope: Envelope) -> answers.Published:
        found: answers.Published = self._call("POST", "/roster", body=envelope.to_json())
        return found

    def publish_status(self, envelope: Envelope) -> answers.StatusPublished:
        found: answers.StatusPublished = self._call("POST", "/status", body=envelope.to_json())
        return found

    def status(self) -> Verified[StatusList] | None:
        """The newest status list that the hub shows, fresh or not, verified under the roster in force; ``None`` before
        the first. Raises ``RosterRollback`` if it names a later roster than the hub shows."""
        return self._status(self._last_roster())

    def _status(self, roster: Verified[Roster]) -> Verified[StatusList] | None:
        try:
            envelope = Envelope.from_json(self._call("GET", "/status"))
        except HubRefused as refused:
            if refused.code == "not-found":
                return None
            raise
        verified = verify_status(envelope, roster)
        check_latest(verified.document, roster)
        return verified

    def rosters(self) -> list[Envelope]:
        return [Envelope.from_json(item) for item in self._call("GET", "/rosters")["rosters"]]

    def roster(self) -> Verified[Roster]:
        """The roster in force, verified from the pinned root on; raises a ``JobError``.

        ``RosterRollback`` if the authority's status list names a later one: the hub holds back a change of keys.
        """
        roster = self._last_roster()
        self._status(roster)
        return roster

    def _last_roster(self) -> Verified[Roster]:
        """The last of the chain that the hub shows."""
        if self._trust is None:
            raise ValueError("pass trust= to the client: rosters are only believed under a pinned root")
        trusted = self._trust.rosters()
        for envelope in self.rosters():
            trusted.update(envelope)
        return current_roster(trusted, datetime.now(UTC), self._trust.oldest_roster)

    def messages(self, job_id: str) -> answers.Messages:
        """Which messages a job had, by digest and log entry; for auditors."""
        found: answers.Messages = self._call("GET", f"/jobs/{job_id}/messages")
        return found

    def recompute(self, job_id: str) -> Recomputed:
        """Compute a job's output again from the stored messages, under the roster of its permit; for auditors.

        Raises ``IntegrityFailure`` where the hub's release is another, ``HubRefused`` if its contents were destroyed.
        """
        inputs: answers.Inputs = self._call("GET", f"/jobs/{job_id}/inputs")
        named = Permit.open(Envelope.from_json(inputs["permit"])).roster

        def read_body(place: int, header: Header) -> bytes:
            path = f"/jobs/{job_id}/inputs/{place}"
            numbers = range(-(-header.size // INLINE_BYTES))
            return b"".join(self._http.content("GET", path, params={"number": number}) for number in numbers)

        return recompute(inputs, self._roster_of(named), read_body)

    def _roster_of(self, named: str) -> Verified[Roster]:
        """An earlier roster of the chain, or the last; raises ``BadDocument`` if the hub shows none of this digest."""
        if self._trust is None:
            raise ValueError("pass trust= to the client: rosters are only believed under a pinned root")
        trusted = self._trust.rosters()
        for envelope in self.rosters():
            if (found := trusted.update(envelope)).digest == named:
                return found
        raise BadDocument("the hub shows no roster that the permit names")

    def log_entries(self, **filters: Any) -> Iterator[answers.EntryShown]:
        return self._pages("/log/entries", **filters)

    def log_export(self, wait: float = 5.0) -> Iterator[Any]:
        """The lines of an export for ``sandbox.verify.verify_log``: checkpoint and rosters, then all entries.

        Waits up to ``wait`` seconds for the cosignatures of all nodes and witnesses on the checkpoint of this moment.
        """
        end = time.monotonic() + wait
        note = self._checkpoint()
        while len(note.signatures) <= len(self._cosigners()) and time.monotonic() < end:
            time.sleep(0.2)
            note = max(note, self._checkpoint(), key=lambda found: len(found.signatures))
        yield first_line(note.encode().decode(), self.rosters())
        yield from self.log_entries()

    def _checkpoint(self) -> Note:
        return Note.parse(self.log_get("checkpoint")["note"].encode())

    def _cosigners(self) -> list[str]:
        """Nodes and witnesses of the roster in force."""
        roster = self._last_roster().document
        nodes = [node.id for owner in roster.owners for node in owner.nodes]
        return [*nodes, *(witness.name for witness in roster.witnesses)]

    def verified_log(self) -> VerifiedLog:
        """The whole log as it is now, fetched and verified; raises what ``sandbox.verify.verify_log`` raises."""
        return verify_log(self.log_export(), self.trust)

    @property
    def trust(self) -> Trust:
        """What this client believes; raises ``InvalidSpec`` without a pinned root."""
        if self._trust is None:
            raise InvalidSpec("this needs the authority's pinned root: pass trust= to the client")
        return self._trust

    def log_get(self, path: str, **params: Any) -> Any:
        return self._call("GET", f"/log/{path}", params=params)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pages(self, path: str, **filters: Any) -> Iterator[Any]:
        """All items of a paged list: pages of 200, following the hub's ``next`` cursor."""
        after: Any = None
        while True:
            params = {name: value for name, value in filters.items() if value is not None} | {"limit": 200}
            page = self._call("GET", path, params=params if after is None else params | {"after": after})
            yield from page["items"]
            after = page.get("next")
            if after is None:
                return

    def _call(self, method: str, path: str, **options: Any) -> Any:
        return _patiently(lambda: self._http.json(method, path, parse=json.loads, **options))


def _patiently(call: Callable[[], T]) -> T:
    """Wait and call again while the hub says that this token called too often: it has done nothing yet."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return call()
        except HubAway as away:
            if away.status != _TOO_OFTEN or time.monotonic() + away.retry_after > end:
                raise
            time.sleep(max(away.retry_after, 0.1))
