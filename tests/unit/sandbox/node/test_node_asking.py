"""What a job asks is judged under the gate's lock, stored with what is sent, and remembered only then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs.disclosure.gate import Inquiry, Question, Records
from jobs.disclosure.profile import Profile, load_profile
from jobs.documents import RootKeys, SigningKey
from jobs.kinds.base import Ask
from sandbox.errors import Denied
from sandbox.keys import Trust
from sandbox.node.asking import Asking
from sandbox.node.gate.errors import VetoesUsed
from sandbox.node.opened_gate import OpenedGate
from sandbox.node.state import NodeState
from sandbox.node.tables import audit

STANDARD = load_profile("standard@2")
UNITS = 400


@pytest.fixture
def state(tmp_path: Path) -> Iterator[NodeState]:
    root = RootKeys(keys=(SigningKey.from_seed(bytes(32)).public.text,), threshold=1)
    made = NodeState(tmp_path / "node", Trust(root=root, origin="log.example/x"))
    yield made
    made.close()


@dataclass
class Job:
    """One job's way to a gate over this state. ``roots``: names that its dataset goes by."""

    state: NodeState
    roots: tuple[str, ...] = ("trips",)
    profile: Profile = STANDARD
    name: str = "job-1"
    gate: Any = field(init=False)

    def __post_init__(self) -> None:
        self.gate = OpenedGate(self.state, bytes(32), lambda size: bytes(range(size)))

    @property
    def asking(self) -> Asking:
        permit = SimpleNamespace(document=SimpleNamespace(job=self.name))
        accepted: Any = SimpleNamespace(
            profile=self.profile,
            checked=SimpleNamespace(permit=permit),
            inputs={"trips": SimpleNamespace(roots=self.roots)},
            spends=(),
        )
        return Asking(self.gate, self.state, accepted)

    def pieces(self) -> int:
        with self.state.read() as connection:
            return len(list(connection.execute(audit.select())))

    def digest(self) -> str:
        with self.state.read() as connection:
            return str(self.gate.state_digest(connection))


def ask(number: int = 0, units: int = UNITS, vetoes: int = 0) -> Ask:
    """One number about one secret column, over the first ``units`` of all."""
    labels = np.where(np.arange(UNITS) < units, 0, -1).astype(np.int32)
    prints = np.zeros(UNITS, np.uint64)
    records = Records(pa.array([f"v{n}" for n in range(UNITS)]), np.ones(UNITS, np.int32), prints, (labels,))
    about = Inquiry(("trips", "delay"), 0, np.zeros(1, np.int32), [number.to_bytes(16, "little")])
    return Ask((Question("vehicle", records, (about,)),), vetoes)


def answer(job: Job, asked: Ask, fault: Exception | None = None) -> bool:
    """Ask and store, as a job does; ``fault``: what then comes between."""
    with job.asking.answered(asked) as found:
        with job.state.write() as connection:
            found.store(connection)
            if fault is not None:
                raise fault
        return bool(found.verdict[0][0].all())


def test_what_is_asked_is_stored_and_remembered(state: NodeState) -> None:
    job = Job(state)
    before = job.digest()
    assert answer(job, ask())
    assert (job.pieces(), job.digest() != before) == (1, True)
    assert answer(job, ask())  # the same number again tells nothing new
    assert job.pieces() == 1


def test_small_bases_add_up_until_nothing_more_is_answered(state: NodeState) -> None:
    job = Job(state)
    verdicts = [answer(job, ask(number, units=2)) for number in range(24)]
    assert verdicts[0]
    assert not verdicts[-1]
    assert answer(job, ask(99, units=UNITS))  # the control: what tells little of anybody still may


def test_if_what_follows_fails_nothing_was_asked(state: NodeState) -> None:
    job = Job(state)
    before = job.digest()
    with pytest.raises(Denied, match="the outbox is full"):
        answer(job, ask(), fault=Denied("the outbox is full"))
    assert (job.pieces(), job.digest()) == (0, before)
    assert answer(job, ask())  # the lock is free, and memory and database are one
    assert job.pieces() == 1


def test_another_name_of_the_file_is_asked_about_too(state: NodeState) -> None:
    """A file that was registered as ``a``, and as ``trips`` later: neither forgets what the other was asked."""
    fresh = Job(state)
    under_a = replace(fresh, roots=("a",))
    verdicts = [answer(under_a, ask(number, units=2)) for number in range(24)]
    assert not verdicts[-1]
    assert not answer(replace(fresh, roots=("trips", "a")), ask(500, units=2))
    assert answer(replace(fresh, roots=("trips",)), ask(501, units=2))  # the control: of a file of its own


def test_vetoes_are_counted_though_their_job_is_refused(state: NodeState) -> None:
    job = Job(state, profile=STANDARD.model_copy(update={"secret_vetoes": 5}))
    assert answer(job, ask(1, vetoes=5))
    with pytest.raises(VetoesUsed):
        answer(job, ask(2, vetoes=1))
    with pytest.raises(Denied):  # also one that closes nothing: nothing more is asked
        answer(job, ask(3))


def test_data_that_has_nothing_to_hide_is_not_audited(state: NodeState) -> None:
    job = Job(state, profile=load_profile("open@1"))
    assert all(answer(job, ask(number, units=1)) for number in range(30))
    assert job.pieces() == 0


def test_a_gate_without_its_key_or_its_memory_says_so(state: NodeState) -> None:
    from sandbox.errors import IntegrityFailure

    job = Job(state)
    job.gate.seeds("sha256:" + "0" * 64)
    said = job.digest()
    answer(job, ask())
    with state.write() as connection:
        job.gate.check(connection, said)  # an earlier message's state: this one goes on from it
        job.gate.check(connection, job.gate.state_digest(connection))
        with pytest.raises(IntegrityFailure, match="forgotten"):
            job.gate.check(connection, "sha256:" + "1" * 64)
