"""The owner's local socket: revoke at once, see what runs, list and export what left. One JSON line each way.

It is a Unix socket of mode 0600 in the node's state folder: whoever may open it may read the node's database anyway.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, select

from adapters.errors import AdapterError
from jobs.disclosure.profile import Privacy, load_profile
from jobs.documents import Envelope, OutboxEntry, OutboxRecord, SentMessage, moment_text
from jobs.documents.message import Header
from jobs.errors import JobError
from sandbox.errors import InvalidSpec, SandboxError, Unavailable
from sandbox.messages import RESERVED
from sandbox.node.alarms import acknowledge, alarm_list
from sandbox.node.closing import public_code
from sandbox.node.dry_run import dry_run
from sandbox.node.excluding import exclusions_shown
from sandbox.node.loop import Node
from sandbox.node.revoke import is_known, read_revocation
from sandbox.node.spending import RHO
from sandbox.node.state import Held
from sandbox.node.tables import ledger, outbox

_NAME: Final = "control.sock"
_MAX_LINE: Final = 1 << 23
"""A plan may be in it."""
_PAGE: Final = 8192
"""What one outbox record holds at most."""


class Control:
    """Answers the owner's commands while the node runs."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._server: socketserver.ThreadingUnixStreamServer | None = None

    def start(self) -> None:
        folder = self._node.context.config.state_dir
        (folder / _NAME).unlink(missing_ok=True)
        control = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                answer = control.answer(self.rfile.readline(_MAX_LINE))
                self.wfile.write(json.dumps(answer).encode() + b"\n")

        with _ShortPath(folder) as path:
            before = os.umask(0o177)
            try:
                self._server = socketserver.ThreadingUnixStreamServer(path, Handler)
            finally:
                os.umask(before)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="control", daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, line: bytes) -> dict[str, Any]:
        """One command in, one answer out; refusals are ``{"error": text, "code": slug}``."""
        try:
            command = json.loads(line)
            name = command.get("do") if isinstance(command, dict) else None
            match name:
                case "status":
                    return self._status()
                case "revoke":
                    return self._revoke(command.get("revocation"))
                case "sent":
                    return {"entries": self._sent()}
                case "export":
                    return self._export(command.get("after", 0))
                case "alarms":
                    return self._alarms()
                case "audit":
                    return self._audit()
                case "dry-run":
                    return dry_run(self._node.context, command)
                case "exclusions":
                    return self._exclusions()
                case "acknowledge":
                    return self._acknowledge(command.get("alarm"))
            raise InvalidSpec("commands: status, revoke, sent, export, exclusions, audit, dry-run, alarms, acknowledge")
        except (SandboxError, JobError, AdapterError) as error:
            return {"error": str(error), "code": public_code(error)}
        except ValueError:
            return {"error": "a command is one line of JSON", "code": "invalid-spec"}

    def _status(self) -> dict[str, Any]:
        context, failure = self._node.context, self._node.follower.failure
        with context.state.read() as connection:
            seen = context.state.seen_log(connection)
            held = context.state.held(connection)
            waiting = list(connection.execute(select(outbox.c.round).where(~outbox.c.proven)))
            accounts = connection.execute(select(ledger.c.account, ledger.c.amount, ledger.c.state))
            spent: dict[str, int] = {}
            for row in accounts:
                if row.state != "refunded" and not row.account.startswith(RHO):  # that one ``audit`` tells
                    spent[row.account] = spent.get(row.account, 0) + row.amount
        return {
            "node": context.config.node,
            "running": self._node.states(),
            "log_size": seen.size,
            "log_failure": str(failure) if failure else None,
            "log_evidence": list(failure.evidence) if failure else [],
            "log_trouble": self._node.follower.trouble,
            "not_yet_in_log": len(waiting),
            "datasets": {name: item.version for name, item in held.items()},
            "spent": spent,
        }

    def _revoke(self, value: Any) -> dict[str, Any]:
        """``known``: a run was reserved under this grant here; else the owner should compare the digest."""
        context = self._node.context
        verified = read_revocation(context.state, context.config.node, value)
        grant = verified.document.grant
        with context.state.read() as connection:
            known = is_known(connection, grant)
        return {"revoked": grant, "new": self._node.revoke(verified), "known": known}

    def _sent(self) -> list[dict[str, Any]]:
        with self._node.context.state.read() as connection:
            return list(self._node.context.record.read(connection))

    def _exclusions(self) -> dict[str, Any]:
        state = self._node.context.state
        with state.read() as connection:
            return {"exclusions": exclusions_shown(connection, state.held(connection))}

    def _audit(self) -> dict[str, Any]:
        """Per unit domain and system: highest leverage, cap, number of answers, and the jobs behind. No identities.

        ``budgets``: under differential privacy, what is used and left of each unit domain.
        """
        context = self._node.context
        with context.state.read() as connection:
            held = context.state.held(connection)
            systems = [
                {**item, "cap": cap / 100}
                for domain, cap in sorted(_caps(held.values()).items())
                for item in context.gate.standing(connection, domain)
            ]
            budgets = [
                asdict(context.gate.spending.standing(connection, domain, privacy))
                for domain, privacy in sorted(_private(held.values()).items())
            ]
            state = context.gate.state_digest(connection)
            return {"systems": systems, "budgets": budgets, "state": state}

    def _alarms(self) -> dict[str, Any]:
        with self._node.context.state.read() as connection:
            return {"alarms": alarm_list(connection)}

    def _acknowledge(self, number: Any) -> dict[str, Any]:
        if type(number) is not int:
            raise InvalidSpec("acknowledge: alarm is the number of an alarm")
        context = self._node.context
        with context.state.write() as connection:
            standing = acknowledge(connection, number, moment_text(context.clock()))
            if not standing:  # its owner knows now that it was lost: other noise from here on
                context.gate.renew_key(connection)
        return {"acknowledged": number, "standing": standing}

    def _export(self, after: Any) -> dict[str, Any]:
        """The signed list of all messages that left, without gap: what the auditor reconciles with the hub's log.

        In pages: ``after`` is the number of the last message had so far, ``next`` what to ask for next, or null.
        """
        if type(after) is not int or not 0 <= after < 1 << 53:
            raise InvalidSpec("export: after is the number of the last message that you have, 0 for the first page")
        context = self._node.context
        query = select(outbox).order_by(outbox.c.number).offset(after).limit(_PAGE + 1)
        with context.state.read() as connection:
            rows = list(connection.execute(query))
        if not rows:
            raise Unavailable("nothing has left this node yet" if after == 0 else f"nothing after message {after} yet")
        roster = context.state.trusted.last.document
        entries = tuple(
            OutboxEntry(
                number=number,
                permit=row.permit,
                message=_sent_message(row),
                binding=row.binding,
                refused=row.refused,
                transcript=None if row.round in RESERVED else Header.open(Envelope.parse(row.envelope)).transcript,
            )
            for number, row in enumerate(rows[:_PAGE], start=after + 1)
        )
        last = entries[-1].number
        record = OutboxRecord(
            node=context.config.node,
            owner=roster.owner_of(context.config.node).id,
            issued=context.clock(),
            first=after + 1,
            last=last,
            entries=entries,
        )
        return {"record": record.sign(context.key).to_json(), "next": last if len(rows) > _PAGE else None}


def _caps(held: Iterable[Held]) -> dict[str, int]:
    """Per unit domain the strictest cap of its datasets, in percent; 0 where none of them is audited."""
    found: dict[str, int] = {}
    for item in held:
        cap, before = load_profile(item.dataset.profile).leverage_cap_percent, found.get(item.unit_domain, 0)
        found[item.unit_domain] = min(cap, before) if cap and before else cap or before
    return found


def _private(held: Iterable[Held]) -> dict[str, Privacy]:
    """By unit domain, the budget of those that some dataset protects by differential privacy."""
    found = ((item.unit_domain, load_profile(item.dataset.profile).privacy) for item in held)
    return {domain: privacy for domain, privacy in found if privacy is not None}


def _sent_message(row: Row[Any]) -> SentMessage:
    return SentMessage(
        round=row.round,
        sequence=row.sequence,
        receiver=row.receiver,
        size=row.size,
        digest=row.digest,
        sent_at=row.at,
    )


def ask(state_dir: Path, command: dict[str, Any], timeout: float = 30.0) -> dict[str, Any]:
    """Run by the owner's CLI on the node's machine. Raises ``Unavailable`` if no node runs there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client, _ShortPath(state_dir) as path:
        client.settimeout(timeout)
        try:
            client.connect(path)
        except OSError:
            raise Unavailable("no node is running with this state folder") from None
        client.sendall(json.dumps(command).encode() + b"\n")
        with client.makefile("rb") as stream:
            line = stream.readline()
        if not line:
            raise Unavailable("the node ended before it answered")
        answer: dict[str, Any] = json.loads(line)
    return answer


class _ShortPath:
    """A path to the socket that fits into a Unix address (108 bytes) however deep the state folder lies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> str:
        self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._descriptor}/{_NAME}"

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
