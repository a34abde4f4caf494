"""The noise key and its seeds; the count of vetoes that secret values caused."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress

import numpy as np
import pytest
from sqlalchemy import delete, select, text, update

from jobs.disclosure.gate import Gate
from sandbox.errors import IntegrityFailure
from sandbox.node.gate.errors import VetoesUsed
from sandbox.node.gate.pieces import Pieces, state_digest
from sandbox.node.gate.seeds import Seeds, noise_key
from sandbox.node.gate.vetoes import Vetoes
from sandbox.node.tables import audit, settings
from sandbox.store.engine import reading, writing
from tests.support.audited import KEY, Desk

ROWS = bytes(32)


def test_a_seed_is_hmac_of_label_rows_and_question() -> None:
    gate: Gate = Seeds(KEY, ROWS)
    expected = hmac.new(KEY, b"unseen/noise/v1" + ROWS + b"question", hashlib.sha256).digest()
    assert gate.seeds([b"question", b"other", b"question"])[::2] == [expected, expected]
    others = [Seeds(KEY, bytes(31) + b"1"), Seeds(bytes(32), ROWS)]
    assert len({expected, *(other.seeds([b"question"])[0] for other in others), *gate.seeds([b"other"])}) == 4
    assert "redacted" in repr(gate)


def test_the_noise_key_is_made_once(desk: Desk) -> None:
    with writing(desk.engine) as connection:
        first = noise_key(connection)
    with writing(desk.engine) as connection:
        assert noise_key(connection) == first
    assert len(first) == 32


def test_a_noise_key_that_is_lost_or_damaged_is_an_integrity_failure(desk: Desk) -> None:
    desk.answered([np.zeros(50)])
    with pytest.raises(IntegrityFailure, match="missing"), writing(desk.engine) as connection:
        noise_key(connection)
    with writing(desk.engine) as connection:
        connection.execute(settings.insert().values(name="noise_key", value=b"short"))
    with pytest.raises(IntegrityFailure, match="damaged"), writing(desk.engine) as connection:
        noise_key(connection)


def vetoes(desk: Desk) -> Vetoes:
    return Vetoes(Pieces(KEY), lambda: writing(desk.engine))


def test_vetoes_add_up_per_unit_domain_and_end(desk: Desk) -> None:
    counter = vetoes(desk)
    assert counter.add("person", "job-1", 60, 100) == 60
    assert vetoes(desk).add("person", "job-2", 40, 100) == 100
    assert counter.add("firm", "job-3", 7, 100) == 7
    assert counter.add("person", "job-4", 0, 100) == 100
    for total in (101, 102):
        with pytest.raises(VetoesUsed, match="100"):
            counter.add("person", "job-5", 1, 100)
        with reading(desk.engine) as connection:
            assert counter.total(connection, "person") == total


def test_vetoes_and_rows_share_one_chain(desk: Desk) -> None:
    digests = set()
    for step in range(4):
        if step % 2:
            vetoes(desk).add("person", "job", 1, 100)
        else:
            desk.answered([np.zeros(50)])
        with reading(desk.engine) as connection:
            digests.add(state_digest(connection))
    assert len(digests) == 4
    desk.restart()
    assert desk.domain.sequence == 3


def test_a_count_cannot_be_changed_or_taken_back(desk: Desk) -> None:
    counter = vetoes(desk)
    counter.add("person", "job", 5, 100)
    with pytest.raises(ValueError, match="taken back"):
        counter.add("person", "job", -1, 100)
    for statement in (update(audit).values(kind="rows"), delete(audit)):
        with suppress(Exception), writing(desk.engine) as connection:
            connection.execute(statement)
    with reading(desk.engine) as connection:
        assert connection.execute(select(audit.c.kind)).scalars().all() == ["vetoes"]
    with writing(desk.engine) as connection:
        connection.execute(text("DROP TRIGGER audit_no_update"))
        connection.execute(update(audit).values(unit_domain="firm"))
    with pytest.raises(IntegrityFailure):
        vetoes(desk).add("person", "job", 1, 100)
