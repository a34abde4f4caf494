"""What each side's view tells: queries are independent of what is wanted, answers of keys one does not hold.

Each check has a broken variant that the same check convicts.
"""

import hashlib
import math
import secrets
from collections.abc import Callable, Sequence

import numpy as np

from mpc.drive import run
from mpc.oprf import party as oprf
from mpc.oprf.keys import Mode, generate_key
from mpc.oprf.modes import evaluate_clear
from mpc.party import PartyName
from mpc.pir import Client, Keys, Prepared, Server, index_table, keyword_table, prepare
from mpc.pir.gaussian import sample
from mpc.pir.keyword import place, unmask
from mpc.pir.matrix import public_matrix
from mpc.pir.messages import Hint, Query

SESSION = bytes(16)


def query(table: Prepared, wanted: list[int], randomness: Callable[[int], bytes]) -> np.ndarray:
    hint = Hint(SESSION, table.layout, table.hint)
    asker = Client(PartyName("alice"), PartyName("bob"), SESSION, wanted, randomness, hint=hint)
    return Query.decode(asker.start()[0].message).vectors.copy()


def deviations(words: np.ndarray) -> float:
    """How far the top bytes are from uniform, in standard deviations of the chi-squared statistic."""
    counts = np.bincount((words.ravel() >> 24).astype(np.int64), minlength=256)
    expected = counts.sum() / 256
    return float(((counts - expected) ** 2 / expected).sum() - 255) / math.sqrt(510)


def shaken(label: bytes) -> Callable[[int], bytes]:
    """A repeatable source that never repeats itself."""
    count = 0

    def take(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(label + count.to_bytes(4, "big")).digest(size)

    return take


def table() -> Prepared:
    return prepare(index_table(np.zeros((4000, 1), np.uint8), secrets.token_bytes, columns=4000))


def test_queries_look_uniform_and_the_test_convicts_a_zero_secret() -> None:
    prepared = table()
    for wanted in (0, 3999):
        views = np.vstack([query(prepared, [wanted] * 8, shaken(b"%d %d" % (wanted, i))) for i in range(4)])
        assert abs(deviations(views)) < 6
        assert abs(deviations(views[:, wanted])) < 20  # 32 values only: the statistic is coarse
    secretless = query(prepared, [3999] * 8, lambda size: bytes(size))
    assert deviations(secretless) > 1000
    assert (secretless.argmax(axis=1) == 3999).all()


def residue(randomness: Callable[[int], bytes], noisy: bool) -> np.ndarray:
    """b - A s - Delta u of a query, from its own randomness; without its errors if not ``noisy``."""
    prepared = table()
    taken: list[bytes] = []

    def recorded(size: int) -> bytes:
        taken.append(randomness(size) if noisy or not taken else bytes(size))
        return taken[-1]

    (vector,) = query(prepared, [7], recorded)
    secret = np.frombuffer(taken[0], "<u4")
    for first, block in public_matrix(prepared.layout.seed, prepared.layout.columns, len(secret)):
        vector[first : first + len(block)] -= (block * secret).sum(axis=1, dtype=np.uint32)
    vector[[7]] -= np.uint32(1 << 24)
    errors: np.ndarray = vector.view(np.int32)
    return errors


def test_every_column_of_a_query_carries_its_error() -> None:
    """Without errors LWE is linear algebra: this is the check that convicts a client that leaves them out."""
    errors = residue(shaken(b"noisy"), noisy=True)
    assert 6.0 < errors.std() < 6.8
    assert abs(errors).max() < 60
    assert not residue(shaken(b"silent"), noisy=False).any()


def test_two_queries_for_one_record_differ_everywhere_and_reused_randomness_is_convicted() -> None:
    prepared = table()
    first, second = query(prepared, [5, 5], shaken(b"fresh"))
    assert abs(deviations(first - second)) < 6
    same_a, same_b = (query(prepared, [wanted], shaken(b"again"))[0] for wanted in (5, 6))
    assert np.flatnonzero(same_a - same_b).tolist() == [5, 6]  # what a repeated secret would give away


def test_a_key_opens_its_own_value_only() -> None:
    values = {b"key %d" % i: b"value %03d" % i for i in range(200)}
    built = keyword_table(values, Keys.OPEN, secrets.token_bytes)
    layout, width = built.layout, built.layout.item_bytes

    def item(key: bytes) -> np.ndarray:
        columns, block = place(layout, key)
        cells = built.cells[block * width : (block + 1) * width][:, list(columns)]
        added: np.ndarray = cells.sum(axis=1, dtype=np.uint8)
        return added

    assert unmask(layout, b"key 7", item(b"key 7")) == b"value 007"
    assert unmask(layout, b"key 8", item(b"key 7")) is None
    assert not any(b"value" in built.cells[:, column].tobytes() for column in range(layout.columns))
    plain = index_table(np.frombuffer(b"".join(values.values()), np.uint8).reshape(200, 9), secrets.token_bytes)
    assert any(b"value" in plain.cells[:, column].tobytes() for column in range(plain.layout.columns))


def test_oprf_keys_close_a_table_whose_keys_can_be_guessed() -> None:
    """The composition that the module text advises: pseudonyms first (counted), then the lookup under them."""
    alice, bob, people = PartyName("alice"), PartyName("bob"), [b"%018d" % i for i in range(50)]
    secret = generate_key(secrets.token_bytes)
    pseudonyms = {evaluate_clear(person, secret, Mode.OPRF): b"grade %02d" % i for i, person in enumerate(people)}
    built = prepare(keyword_table(pseudonyms, Keys.OPEN, secrets.token_bytes))

    def lookup(keys: Sequence[bytes]) -> list[bytes | None]:
        asker = Client(alice, bob, SESSION, keys, secrets.token_bytes)
        run([asker, Server(bob, alice, SESSION, built, at_most=len(keys))])
        return list(asker.result)

    wanted = [people[3], b"%018d" % 999]
    blinded = oprf.Client(alice, bob, SESSION, Mode.OPRF, wanted, secrets.token_bytes)
    run([blinded, oprf.Server(bob, alice, SESSION, Mode.OPRF, secret, secrets.token_bytes, at_most=2)])
    assert lookup(blinded.result) == [b"grade 03", None]
    assert lookup(people) == [None] * 50  # guessing a person's number is no longer enough


def test_versions_do_not_confirm_a_guess_of_the_content() -> None:
    records = np.zeros((50, 2), np.uint8)
    fixed_seed = index_table(records, lambda size: bytes(size)).layout
    salted = [index_table(records, secrets.token_bytes).layout.version for _ in range(2)]
    assert len({fixed_seed.version, *salted}) == 3


def test_an_error_reads_a_fixed_amount_of_randomness() -> None:
    taken: list[int] = []

    def counting(size: int) -> bytes:
        taken.append(size)
        return secrets.token_bytes(size)

    sample(1000, counting)
    assert taken == [16_000]
