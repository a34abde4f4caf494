"""The outbox: stored bytes go out unchanged, large ones in pieces; a refusal is no proof and holds up nobody else."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from jobs.documents import digest
from jobs.documents.message import Stop
from jobs.kinds.base import Receiver, Round
from sandbox.messages import INLINE_BYTES, write_message
from sandbox.node.hub_port import HubAway, HubRefused
from sandbox.node.post import Outbox
from sandbox.node.tables import outbox
from tests.support.joint_nodes import Federation
from tests.support.signed import key

NODE, AT = "node-ewr", "2026-11-21T08:00:00Z"
ROW = Round("talk", Receiver.HUB, reveals=True, repeats=100)
LARGE = hashlib.shake_256(b"large").digest(2 * INLINE_BYTES + 7)


class Desk:
    """A hub that takes posts and pieces, and refuses or is away as told."""

    def __init__(self) -> None:
        self.posts: list[list[tuple[str, bytes | None]]] = []
        self.pieces: dict[str, bytearray] = {}
        self.calls: list[str] = []
        self.away_after: int | None = None
        self.refuse: dict[str, str] = {}
        """Digest of an envelope -> code."""

    def post(self, messages: list[Any]) -> None:
        self._reach("post")
        for envelope, _ in messages:
            if (code := self.refuse.get(digest(envelope.payload))) is not None:
                raise HubRefused(code, "no")
        self.posts.append([(digest(envelope.payload), body) for envelope, body in messages])

    def upload(self, body: str, offset: int, piece: bytes) -> None:
        self._reach("upload")
        assert len(piece) <= INLINE_BYTES
        held = self.pieces.setdefault(body, bytearray())
        assert offset <= len(held), "a piece before the one in front of it"
        held[offset : offset + len(piece)] = piece

    def _reach(self, what: str) -> None:
        if self.away_after is not None and len(self.calls) >= self.away_after:
            raise HubAway("away")
        self.calls.append(what)

    @property
    def taken(self) -> list[str]:
        return [name for post in self.posts for name, _ in post]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def box(federation: Federation, desk: Desk) -> Outbox:
    hub: Any = desk  # what an outbox calls of a hub
    return Outbox(NODE, key(NODE), federation[NODE].context.state, hub)


def queue(box: Outbox, body: bytes = b"body", sequence: int = 0, permit: str = "one") -> str:
    """Store one message and return its digest."""
    message = write_message(
        key(NODE),
        digest(permit.encode()),
        digest(b"told"),
        "talk",
        sequence,
        NODE,
        "hub",
        body,
        lambda n: bytes(n),
        state=digest(b"what its gate remembers"),
    )
    with box._state.write() as connection:
        box.queue(connection, message, ROW, AT)
    return message.digest


def rows(federation: Federation) -> list[Any]:
    return federation.rows(NODE, outbox)


def test_a_large_body_goes_before_its_header_in_pieces(federation: Federation, box: Outbox, desk: Desk) -> None:
    small, large = queue(box), queue(box, LARGE, 1)
    assert box.post()
    assert desk.calls == ["upload"] * 3 + ["post"]
    assert desk.posts == [[(small, b"body"), (large, None)]]
    assert {name: bytes(held) for name, held in desk.pieces.items()} == {digest(LARGE): LARGE}
    assert [(row.posted, row.body, row.size) for row in rows(federation)] == [(True, None, 4), (True, None, len(LARGE))]


@pytest.mark.parametrize("body", [b"", bytes(INLINE_BYTES)])
def test_a_body_of_at_most_one_piece_travels_with_its_header(box: Outbox, desk: Desk, body: bytes) -> None:
    name = queue(box, body)
    assert box.post()
    assert (desk.calls, desk.posts) == (["post"], [[(name, body)]])


@pytest.mark.parametrize("calls", range(4))
def test_a_hub_that_goes_away_on_the_way_gets_the_same_bytes_later(
    federation: Federation, box: Outbox, desk: Desk, calls: int
) -> None:
    name = queue(box, LARGE)
    desk.away_after = calls
    assert not box.post()
    assert [(row.posted, bytes(row.body)) for row in rows(federation)] == [(False, LARGE)]
    desk.away_after = None
    assert box.post()
    assert desk.posts == [[(name, None)]]
    assert bytes(desk.pieces[digest(LARGE)]) == LARGE
    assert rows(federation)[0].body is None


def test_posts_are_of_one_job_in_order_and_bounded(box: Outbox, desk: Desk) -> None:
    one = [queue(box, sequence=n) for n in range(11)]
    two = [queue(box, bytes(INLINE_BYTES), n, "two") for n in range(10)]
    assert box.post()
    assert [len(post) for post in desk.posts] == [8, 3, 8, 2]
    assert desk.taken == one + two


def test_a_refused_message_is_not_proven_not_resent_and_holds_up_no_other(
    federation: Federation, box: Outbox, desk: Desk
) -> None:
    names = [queue(box, sequence=n) for n in range(3)]
    desk.refuse = {names[1]: "wrong-round"}
    assert box.post()
    assert desk.taken == [names[0], names[2]]
    found = [(row.posted, row.refused, row.proven, row.body) for row in rows(federation)]
    refused = (True, "wrong-round", False, None)
    assert found == [(True, None, False, None), refused, (True, None, False, None)]
    desk.refuse, desk.posts = {}, []
    assert box.post()
    assert desk.posts == []


@pytest.mark.parametrize("code", ["not-authenticated", "not-permitted", "token-expired"])
def test_a_refusal_of_the_token_keeps_the_message(federation: Federation, box: Outbox, desk: Desk, code: str) -> None:
    name = queue(box)
    desk.refuse = {name: code}
    assert not box.post()
    assert [(row.posted, row.refused, bytes(row.body)) for row in rows(federation)] == [(False, None, b"body")]
    desk.refuse = {}
    assert box.post()
    assert desk.taken == [name]


def test_one_job_that_must_wait_holds_up_no_other(box: Outbox, desk: Desk) -> None:
    waiting, other = queue(box), queue(box, permit="two")
    desk.refuse = {waiting: "token-expired"}
    assert not box.post()
    assert desk.taken == [other]


def test_there_is_no_second_message_for_a_place(federation: Federation, box: Outbox) -> None:
    queue(box)
    with pytest.raises(IntegrityError):
        queue(box, b"another")
    assert [bytes(row.body) for row in rows(federation)] == [b"body"]


def test_what_was_posted_and_asked_for_again_is_the_same_envelope(
    federation: Federation, box: Outbox, desk: Desk
) -> None:
    """The process died between the hub's answer and its own note of it."""
    name = queue(box)
    with box._state.write() as connection:
        connection.execute(update(outbox).values(posted=False))
    assert box.post()
    with box._state.write() as connection:
        connection.execute(update(outbox).values(posted=False))
    assert box.post()
    assert desk.taken == [name, name]


def test_a_word_about_a_job_has_no_body(federation: Federation, box: Outbox, desk: Desk) -> None:
    stop = Stop(node=NODE, permit=digest(b"one"), nonce="ab" * 32, bound=False, code="timeout", advice="late")
    with box._state.write() as connection:
        box.queue_stop(connection, stop, AT)
    assert box.post()
    [[(_, body)]] = desk.posts
    assert body is None
    [row] = rows(federation)
    assert (row.round, row.receiver, row.reveals, row.binding) == ("stop", "hub", False, False)


def test_that_the_hub_has_a_message_is_written_with_the_next_transaction(
    federation: Federation, box: Any, desk: Any
) -> None:
    """A crash before it sends the same bytes again, which is one message; without one nothing goes twice."""
    state = federation[NODE].context.state
    name = queue(box)
    assert box.post()
    assert state.behind
    assert box.post()
    assert desk.taken == [name]
    assert Outbox(NODE, key(NODE), state, desk).post()  # a process that knows nothing of the first post
    assert desk.taken == [name, name]
    with pytest.raises(ZeroDivisionError), state.write():
        raise ZeroDivisionError
    assert state.behind  # what a transaction that failed was to write waits for the next
    with state.write():
        pass
    assert not state.behind
    assert [row.posted for row in rows(federation)] == [True]
    assert Outbox(NODE, key(NODE), state, desk).post()
    assert desk.taken == [name, name]


def test_a_look_for_what_was_left_is_made_only_where_something_may_be(box: Any, desk: Any) -> None:
    name = queue(box)
    desk.away_after = 0
    box.post_again()
    assert desk.taken == []
    desk.away_after = None
    box.post_again()
    assert desk.taken == [name]
