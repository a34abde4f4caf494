"""A witness: cosigns one history, believes no older roster, and stops for good at evidence or a damaged memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.documents import HubEntry, SigningKey
from sandbox.audit import Checkpoint, append, prove_consistency, root
from sandbox.errors import BadLogSignature, IntegrityFailure, LogFailure, LogForked, LogRolledBack
from sandbox.hub_http import HubAway, HubRefused
from sandbox.keys import Trust
from sandbox.log_link import Cosignature, News
from sandbox.witness.seen import SeenFile
from sandbox.witness.witness import Witness
from tests.support.orders import NOW, ORIGIN, ROOT, roster
from tests.support.signed import key
from tests.support.tree import Nodes

NEW_HUB = SigningKey.from_seed(bytes(range(32)))


def signed(**fields: Any) -> dict[str, Any]:
    return roster(**fields).sign(key("root-1"), key("root-2")).to_json()


class Hub:
    """The log's side of the API over a real tree."""

    def __init__(self) -> None:
        self.tree, self.size, self.key = Nodes(), 0, key("hub")
        self.chain, self.deaf = [signed()], False
        self.cosigned: list[int] = []
        self.note: bytes | None = None
        self.again: list[bool] = []

    def grow(self, number: int = 3, salt: bytes = b"") -> None:
        for index in range(number):
            self.size = append(self.tree, self.size, salt + b"%d" % index)

    def follow(
        self, size: int, again: bool, digests: Sequence[str], wait: float, cosignature: Cosignature | None
    ) -> News | None:
        if self.deaf:
            raise HubAway("lost")
        if cosignature is not None:
            self.cosigned.append(cosignature.size)
        self.again.append(again)
        return News(self.shown(), tuple(prove_consistency(self.tree, size, self.size)) if size < self.size else ())

    def shown(self) -> bytes:
        if self.note is not None:
            return self.note
        return Checkpoint(ORIGIN, self.size, root(self.tree, self.size)).sign(self.key).encode()

    def rosters(self) -> list[dict[str, Any]]:
        return self.chain


@pytest.fixture
def hub() -> Hub:
    made = Hub()
    made.grow()
    return made


@pytest.fixture
def witness(hub: Hub, tmp_path: Path) -> Witness:
    return make(hub, tmp_path)


def make(hub: Any, folder: Path, oldest: int = 1, clock: Callable[..., Any] = lambda: NOW) -> Witness:
    trust = Trust(root=ROOT, origin=ORIGIN, oldest_roster=oldest)
    seen = SeenFile(folder / "seen.json", ORIGIN)
    return Witness("witness-1", key("witness-1"), trust, hub, seen, clock)


def test_a_growing_log_is_cosigned_once_per_size(hub: Hub, witness: Witness) -> None:
    assert witness.step(0)
    assert not witness.step(0)
    hub.grow(2)
    assert witness.step(0)
    assert not witness.step(0)
    assert hub.cosigned == [3, 5]
    assert hub.again == [False] * 4


def test_the_state_is_on_disk_before_the_cosignature_leaves(hub: Hub, witness: Witness, tmp_path: Path) -> None:
    witness.step(0)
    assert SeenFile(tmp_path / "seen.json", ORIGIN).load().size == 3
    hub.deaf = True
    with pytest.raises(HubAway):
        witness.step(0)
    assert hub.cosigned == []
    hub.deaf = False
    second = make(hub, tmp_path)
    assert second.step(0)  # the same size again: the same root, so no second history
    assert hub.again[-1]  # asked so that a hub with nothing new answers at once
    assert not second.step(0)
    assert hub.cosigned == [3]


@pytest.mark.parametrize(("size", "error"), [(2, LogRolledBack), (3, LogForked), (4, LogForked)])
def test_a_second_history_is_refused_for_good(
    hub: Hub, witness: Witness, tmp_path: Path, size: int, error: type[Exception]
) -> None:
    witness.step(0)
    other = Hub()
    other.grow(size, b"other")
    hub.grow(5)
    hub.note = other.shown()
    with pytest.raises(error):
        witness.step(0)
    hub.note = None
    hub.cosigned.clear()
    for again in (witness, make(hub, tmp_path)):
        with pytest.raises(LogFailure) as failure:
            again.step(0)
        assert other.shown().decode() in failure.value.evidence
    assert hub.cosigned == []


def test_a_note_of_a_stranger_is_refused_and_convicts_nobody(hub: Hub, witness: Witness) -> None:
    hub.key = NEW_HUB
    with pytest.raises(BadLogSignature):
        witness.step(0)
    hub.key = key("hub")
    assert witness.step(0)


def rotated() -> dict[str, Any]:
    return signed(version=2, hub=HubEntry(id="hub", key=NEW_HUB.public.text))


def test_an_older_roster_is_not_believed_after_a_newer_one(hub: Hub, witness: Witness, tmp_path: Path) -> None:
    hub.chain, hub.key = [signed(), rotated()], NEW_HUB
    assert witness.step(0)
    hub.chain, hub.key = [signed()], key("hub")  # the old, unexpired roster, and whoever has the old hub key
    hub.grow(1)
    for again in (witness, make(hub, tmp_path)):
        with pytest.raises(BadLogSignature):
            again.step(0)
    hub.key = NEW_HUB
    last = make(hub, tmp_path)
    assert last.step(0)
    last.step(0)
    assert hub.cosigned == [3, 4]


def test_another_roster_of_the_same_version_is_refused(hub: Hub, tmp_path: Path) -> None:
    from jobs.errors import RosterRollback

    times = [NOW]
    witness = make(hub, tmp_path, clock=lambda: times[-1])
    witness.step(0)
    times.append(NOW + timedelta(minutes=2))  # it looks for a newer roster once a minute
    hub.chain = [signed(hub=HubEntry(id="hub", key=NEW_HUB.public.text))]
    hub.grow(1)
    with pytest.raises(RosterRollback):
        witness.step(0)


def test_a_fresh_witness_takes_no_roster_below_the_pinned_version(hub: Hub, tmp_path: Path) -> None:
    from jobs.errors import RosterRollback

    with pytest.raises(RosterRollback, match="before version 2"):
        make(hub, tmp_path, oldest=2).step(0)
    hub.chain, hub.key = [signed(), rotated()], NEW_HUB
    assert make(hub, tmp_path, oldest=2).step(0)


BROKEN = [b"", b"{", b"[]", b"null", b'{"origin":"x"}', b'{"origin":"other","root":"00","size":1}', b"\xff", b"7"]


@pytest.mark.parametrize("content", BROKEN)
def test_a_damaged_memory_stops_the_witness(hub: Hub, witness: Witness, tmp_path: Path, content: bytes) -> None:
    witness.step(0)
    (tmp_path / "seen.json").write_bytes(content)
    with pytest.raises(IntegrityFailure, match=r"seen\.json"):
        witness.step(0)
    assert hub.cosigned == []


@pytest.mark.parametrize("content", [b"{", b'{"a":1}', b"[1]", b"[null]", b'["text"]', b"7"])
def test_damaged_rosters_stop_the_witness(hub: Hub, witness: Witness, tmp_path: Path, content: bytes) -> None:
    witness.step(0)
    hub.grow(1)
    (tmp_path / "rosters.json").write_bytes(content)
    with pytest.raises(IntegrityFailure, match=r"rosters\.json"):
        witness.step(0)


def test_damaged_evidence_is_still_evidence(hub: Hub, witness: Witness, tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_bytes(b"{}")
    with pytest.raises(IntegrityFailure, match=r"evidence\.json"):
        witness.step(0)


def test_serve_goes_on_after_an_absent_hub_and_ends_at_a_fork(hub: Hub, tmp_path: Path) -> None:
    class Moody(Hub):
        calls = 0

        def follow(self, *asked: Any) -> News | None:
            self.calls += 1
            if self.calls == 1:
                raise HubAway("away")
            if self.calls == 2:
                raise HubRefused("rate", "later")
            if self.calls == 4:
                other = Hub()
                other.grow(2, b"other")
                self.note = other.shown()
            return super().follow(*asked)

    moody = Moody()
    moody.grow()
    with pytest.raises(LogRolledBack):
        make(moody, tmp_path).serve()
    assert moody.cosigned == [3]


def test_a_stopped_witness_ends(witness: Witness) -> None:
    witness.stop()
    witness.serve()
