"""A lookup session from both ends: right records, and every way a session can be wrong."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc.drive import run
from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    MalformedMessage,
    MpcError,
    OutOfRange,
    UnknownParty,
    WrongRound,
    WrongSession,
)
from mpc.party import PartyName
from mpc.pir import (
    SIMPLEPIR_2023,
    Client,
    Keys,
    Prepared,
    Server,
    StaleHint,
    Table,
    index_table,
    keyword_table,
    prepare,
)
from mpc.pir.messages import Answer, Ask, Hint, Query

SESSION = bytes(range(16))
ALICE, BOB = PartyName("alice"), PartyName("bob")
RECORDS = np.random.default_rng(7).integers(0, 256, (300, 5), dtype=np.uint8)
PEOPLE = {f"330106{i:012d}".encode(): hashlib.sha256(str(i).encode()).digest()[:9] for i in range(500)}


@pytest.fixture(scope="module")
def numbers() -> Prepared:
    return prepare(index_table(RECORDS, secrets.token_bytes))


@pytest.fixture(scope="module")
def people() -> Prepared:
    return prepare(keyword_table(PEOPLE, Keys.OPEN, secrets.token_bytes))


def client(wanted: list[int] | list[bytes], **more: object) -> Client:
    return Client(ALICE, BOB, SESSION, wanted, secrets.token_bytes, **more)  # type: ignore[arg-type]


def server(table: Prepared, **more: int) -> Server:
    return Server(BOB, ALICE, SESSION, table, **{"at_most": 64, **more})


def test_record_numbers_give_their_records(numbers: Prepared) -> None:
    wanted = [0, 299, 17, 17, 150]
    asker = client(wanted)
    run([asker, server(numbers)])
    assert list(asker.result) == [RECORDS[i].tobytes() for i in wanted]


def test_a_kept_hint_saves_the_first_round(numbers: Prepared) -> None:
    first = client([1])
    with_hint = run([first, server(numbers)])
    again = client([2], hint=first.hint)
    without = run([again, server(numbers)])
    assert list(again.result) == [RECORDS[2].tobytes()]
    assert with_hint - without > numbers.hint.nbytes


def test_keys_give_their_values_and_absent_keys_none(people: Prepared) -> None:
    keys = [*list(PEOPLE)[:3], b"nobody", list(PEOPLE)[-1], b""]
    asker = client(keys)
    run([asker, server(people)])
    assert list(asker.result) == [PEOPLE.get(key) for key in keys]


def test_a_wish_is_fixed_when_it_is_made(numbers: Prepared) -> None:
    wanted = [4, 5]
    asker, answerer = client(wanted), server(numbers)
    wanted[0] = 6
    run([asker, answerer])
    assert list(asker.result) == [RECORDS[4].tobytes(), RECORDS[5].tobytes()]


def test_a_table_of_one_record() -> None:
    for table, wanted, value in (
        (index_table(RECORDS[:1], secrets.token_bytes), [0], RECORDS[0].tobytes()),
        (keyword_table({b"k": b"v"}, Keys.OPEN, secrets.token_bytes), [b"k"], b"v"),
    ):
        asker = client(wanted)
        run([asker, server(prepare(table))])
        assert list(asker.result) == [value]


def test_the_largest_noise_that_a_shape_can_have_still_decodes() -> None:
    full = prepare(index_table(np.full((1 << 14, 1), 255, dtype=np.uint8), secrets.token_bytes, columns=1 << 14))
    asker = client([5, 9000])
    run([asker, server(full, threads=2)])
    assert list(asker.result) == [b"\xff", b"\xff"]


def test_padding_hides_the_number_of_lookups(numbers: Prepared) -> None:
    sizes = set()
    for wanted in ([3], [3, 4, 5]):
        asker, answerer = client(wanted, pad_to=4, threads=2), server(numbers)
        (ask,) = asker.start()
        (hint,) = answerer.receive(ALICE, ask.message)
        (query,) = asker.receive(BOB, hint.message)
        sizes.add(len(query.message))
        asker.receive(BOB, answerer.receive(ALICE, query.message)[0].message)
        assert list(asker.result) == [RECORDS[i].tobytes() for i in wanted]
    assert len(sizes) == 1


def test_a_hint_of_another_version_is_refused_by_the_server(numbers: Prepared) -> None:
    changed = prepare(index_table(RECORDS, secrets.token_bytes))  # same content, another salt: another version
    first = client([1])
    run([first, server(numbers)])
    late = client([1], hint=first.hint)
    with pytest.raises(StaleHint):
        server(changed).receive(ALICE, late.start()[0].message)


def test_an_answer_of_another_version_is_refused_by_the_client(numbers: Prepared) -> None:
    asker = client([1], hint=Hint(SESSION, numbers.layout, numbers.hint))
    answer = server(numbers).receive(ALICE, asker.start()[0].message)[0].message
    forged = Answer(SESSION, bytes(32), Answer.decode(answer).sums).encode()
    with pytest.raises(StaleHint):
        asker.receive(BOB, forged)
    assert not asker.finished
    asker.receive(BOB, answer)
    assert list(asker.result) == [RECORDS[1].tobytes()]


def test_wrong_rounds_duplicates_and_foreign_sessions(numbers: Prepared) -> None:
    asker, answerer = client([1]), server(numbers)
    with pytest.raises(WrongRound):
        asker.receive(BOB, Hint(SESSION, numbers.layout, numbers.hint).encode())
    (ask,) = asker.start()
    for _ in range(2):
        with pytest.raises(WrongRound):
            asker.start()
    with pytest.raises(WrongRound):
        _ = asker.result
    with pytest.raises(WrongSession):
        answerer.receive(ALICE, Ask(bytes(16)).encode())
    (hint,) = answerer.receive(ALICE, ask.message)
    with pytest.raises(DuplicateMessage):
        answerer.receive(ALICE, ask.message)
    early = Answer(SESSION, numbers.layout.version, np.zeros((1, numbers.layout.rows), np.uint32)).encode()
    with pytest.raises(WrongRound):
        asker.receive(BOB, early)
    (query,) = asker.receive(BOB, hint.message)
    with pytest.raises(DuplicateMessage):
        asker.receive(BOB, hint.message)
    with pytest.raises(WrongRound):
        asker.start()
    (answer,) = answerer.receive(ALICE, query.message)
    with pytest.raises(DuplicateMessage):
        answerer.receive(ALICE, query.message)
    with pytest.raises(WrongRound):
        answerer.receive(ALICE, ask.message)
    with pytest.raises(WrongSession):
        asker.receive(BOB, Answer(bytes(16), numbers.layout.version, Answer.decode(answer.message).sums).encode())
    asker.receive(BOB, answer.message)
    with pytest.raises(DuplicateMessage):
        asker.receive(BOB, answer.message)


def test_strangers_and_misdirected_messages(numbers: Prepared) -> None:
    asker, answerer = client([1]), server(numbers)
    with pytest.raises(UnknownParty):
        answerer.receive(PartyName("eve"), Ask(SESSION).encode())
    with pytest.raises(UnknownParty):
        asker.receive(PartyName("eve"), Ask(SESSION).encode())
    with pytest.raises(MalformedMessage):
        asker.receive(BOB, Ask(SESSION).encode())
    with pytest.raises(MalformedMessage):
        answerer.receive(ALICE, Answer(SESSION, bytes(32), np.zeros((1, 1), np.uint32)).encode())


@pytest.mark.parametrize("reshape", [lambda q: q[:, :-1], lambda q: np.hstack([q, q])])
def test_queries_of_another_width(numbers: Prepared, reshape: Callable[[np.ndarray], np.ndarray]) -> None:
    asker = client([1], hint=Hint(SESSION, numbers.layout, numbers.hint))
    query = Query.decode(asker.start()[0].message)
    with pytest.raises(MalformedMessage):
        server(numbers).receive(ALICE, Query(SESSION, query.version, reshape(query.vectors)).encode())


def test_answers_of_another_shape(numbers: Prepared) -> None:
    asker = client([1, 2], hint=Hint(SESSION, numbers.layout, numbers.hint))
    answer = Answer.decode(server(numbers).receive(ALICE, asker.start()[0].message)[0].message)
    for sums in (answer.sums[:1], answer.sums[:, 1:]):
        with pytest.raises(MalformedMessage):
            asker.receive(BOB, Answer(SESSION, answer.version, sums).encode())


def test_the_server_meters_lookups_before_it_works(numbers: Prepared) -> None:
    asker, answerer = client([1, 2, 3], hint=Hint(SESSION, numbers.layout, numbers.hint)), server(numbers, at_most=2)
    with pytest.raises(OutOfRange, match="3 lookups in a session that allows 2"):
        answerer.receive(ALICE, asker.start()[0].message)
    assert not answerer.finished


def test_what_a_client_may_want(numbers: Prepared, people: Prepared) -> None:
    hint, keys = Hint(SESSION, numbers.layout, numbers.hint), Hint(SESSION, people.layout, people.hint)
    for wanted, kept, error in (
        ([], None, BadParameters),
        ([1, b"k"], None, BadParameters),
        ([True], None, BadParameters),
        (["text"], None, BadParameters),
        ([1] * 1025, None, BadParameters),
        ([300], hint, OutOfRange),
        ([-1], hint, OutOfRange),
        ([b"k"], hint, BadParameters),
        ([1], keys, BadParameters),
        ([bytes(70000)], keys, BadParameters),
    ):
        with pytest.raises(error):
            client(wanted, hint=kept)  # type: ignore[arg-type]


def test_weaker_parameters_need_the_clients_consent() -> None:
    paper = prepare(index_table(RECORDS, secrets.token_bytes, SIMPLEPIR_2023))
    with pytest.raises(BadParameters, match="not accepted"):
        run([client([1]), server(paper)])
    asker = client([1], accept=(SIMPLEPIR_2023,))
    run([asker, server(paper)])
    assert list(asker.result) == [RECORDS[1].tobytes()]


def test_what_a_table_may_be() -> None:
    wrong: list[Any] = [RECORDS[:0], RECORDS[0], RECORDS.astype(np.int64), RECORDS[:, :0]]
    for records in wrong:
        with pytest.raises(BadParameters):
            index_table(records, secrets.token_bytes)
    for columns in (0, 301):
        with pytest.raises(BadParameters):
            index_table(RECORDS, secrets.token_bytes, columns=columns)
    with pytest.raises(BadParameters):
        index_table(np.zeros(((1 << 18) + 1, 1), np.uint8), secrets.token_bytes, columns=1)
    for values in ({}, {b"a": b""}, {b"a": b"1", b"b": b"22"}):
        with pytest.raises(BadParameters):
            keyword_table(values, Keys.OPEN, secrets.token_bytes)
    with pytest.raises(BadParameters):
        keyword_table({b"a": b"1"}, Keys.OPEN, secrets.token_bytes, columns=0)
    with pytest.raises(BadParameters):
        server(prepare(index_table(RECORDS, secrets.token_bytes)), at_most=0)


def test_hand_made_tables_and_hints_are_checked_before_any_loop_runs(numbers: Prepared) -> None:
    for cells in (numbers.cells[:-1], numbers.cells[:, :-1], numbers.cells.astype(np.uint32)):
        with pytest.raises(BadParameters):
            prepare(Table(numbers.layout, cells))  # type: ignore[arg-type]
    with pytest.raises(BadParameters):
        client([1], hint=Hint(SESSION, numbers.layout, numbers.hint[:-1]))
    with pytest.raises(MpcError):
        prepare(Table(replace(numbers.layout, records=0), numbers.cells))


def test_no_repr_shows_data_or_secrets(people: Prepared) -> None:
    asker = client([next(iter(PEOPLE))], hint=Hint(SESSION, people.layout, people.hint))
    query = asker.start()[0].message
    shown = " ".join(map(repr, (asker, people, Query.decode(query), server(people))))
    assert "330106" not in shown
    assert "array" not in shown
