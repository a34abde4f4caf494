"""Values planted in the owners' data, and exact totals over them, appear nowhere outside the owner's domain: not in the
hub's files, not in any answer, not in any log line or error text. Each search has a positive control: it finds what it
should find."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpc.ring import Z64
from sandbox.client import HubRefused
from sandbox.errors import SandboxError
from sandbox.keys import read_private
from sandbox.local.federation import parquet
from tests.support import toy
from tests.support.ground import Ground

pytestmark = [pytest.mark.e2e]
CANARIES = (toy.CANARY_UNIT.encode(), toy.CANARY_NOTE.encode(), str(toy.CANARY_VALUE).encode())
QUESTIONS = (
    toy.SQL,
    "SELECT line, zone, SUM(delay) AS total, STDDEV(delay) AS spread FROM trips WHERE tour >= :least "
    "GROUP BY line, zone",
    "SELECT COUNT(*) AS n, AVG(delay) AS mean FROM trips WHERE tour >= :least AND delay > 7000000",
    "SELECT line, AVG(delay) AS mean FROM trips WHERE tour >= :least AND note = 'zq' GROUP BY line",
    "SELECT vehicle, COUNT(*) AS n FROM trips GROUP BY vehicle",
    "SELECT MAX(delay) AS n FROM trips",
    "SELECT line, SUM(delay * delay * delay * delay) AS n FROM trips GROUP BY line",
)


@pytest.fixture(scope="module")
def used(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """After many questions, good and bad, bad data, and a fault at every node."""
    for sql in QUESTIONS:
        try:
            job = ground.run(sql)
        except HubRefused:
            continue
        ended = ground.ended(job.id)
        ground.settled(ended.id)
    provoke_the_nodes(ground, tmp_path_factory.mktemp("bad"))
    return ground


def provoke_the_nodes(ground: Ground, folder: Path) -> None:
    """The data changes, or cannot be read, while its snapshot is lost too: the node's errors must not quote it."""
    file = ground.places.root.parent / "data" / "trips-A.parquet"
    kept = file.read_bytes()
    table = pq.read_table(file)
    for content in (b"zqnote no parquet " + str(toy.CANARY_VALUE).encode() * 100, None):
        if content is None:
            pq.write_table(pa.concat_tables([table, table]), file)
        else:
            file.write_bytes(content)
        shutil.rmtree(ground.places.node("A") / "state" / "snapshots", ignore_errors=True)
        ended = ground.ended(ground.run().id)
        assert ended.state == "failed"
        assert ended.failure is not None
        assert ended.failure["code"] in ("data-changed", "data-unreadable")
        ground.settled(ended.id)
    file.write_bytes(kept)
    ground.federation.register("A", toy.dataset(), parquet(file), rows_at_most=5000)
    bad = folder / "bad.parquet"  # violates its declaration by planted values
    rows = [{**row, "line": f"zqnote-{toy.CANARY_VALUE}"} for row in toy.rows("B")[:20]]
    pq.write_table(pa.Table.from_pylist(rows), bad)
    with pytest.raises(SandboxError) as refused:
        ground.federation.register("B", toy.dataset(), parquet(bad), rows_at_most=5000)
    text = str(refused.value).encode()
    assert not [canary for canary in CANARIES if canary in text], text


def found_in(content: bytes) -> list[bytes]:
    return [canary for canary in CANARIES if canary in content]


def exact_totals() -> dict[int, bytes]:
    """Sums of delays on line west, where the planted value is: of one part, and of all together; each as a message or
    a release would hold it in binary."""
    found = []
    for owners in (("A",), toy.OWNERS):
        west = [row for owner in owners for row in toy.rows(owner) if row["line"] == "west"]
        for zone in (None, 1, 2, 3):
            delays = [row["delay"] for row in west if zone in (None, row["zone"]) and row["delay"] is not None]
            found += [total for total in (sum(delays), sum(d * d for d in delays)) if total > toy.CANARY_VALUE]
    return {total: total.to_bytes(8, "little") for total in found}


def totals_in(content: bytes) -> list[int]:
    """In binary, or written out."""
    return [total for total, packed in exact_totals().items() if packed in content or str(total).encode() in content]


def files_below(folder: Path) -> Iterator[Path]:
    yield from (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def test_the_hubs_and_the_witness_files_hold_none(used: Ground) -> None:
    """Every byte, write-ahead log included.

    The hub keeps the masked bodies that a release was computed from, so that the auditor can recompute it: they add up
    to noisy totals, of which every participant may know. An exact one is nowhere, of no job, released or not.
    """
    assert used.hub_rows("select 1 from messages where round = 'values'")  # else nothing was kept to look at
    looked = 0
    for folder in (used.places.hub, used.places.witness, used.places.auditor, used.places.root / "operators"):
        for file in files_below(folder):
            content = file.read_bytes()
            assert found_in(content) == [], file
            assert totals_in(content) == [], file
            looked += 1
    assert looked > 5


def test_positive_control_the_search_finds_what_is_there(used: Ground) -> None:
    """The owner's own file, and a copy of the hub's database into which a canary is written."""
    table = pq.read_table(used.places.root.parent / "data" / "trips-A.parquet")
    assert found_in(json.dumps(table.to_pylist()).encode()) == list(CANARIES)
    database = bytearray((used.places.hub / "state" / "hub.sqlite").read_bytes())
    database[-100:-91] = b"zqvehicle"
    assert found_in(bytes(database)) == [b"zqvehicle"]
    one, two, *_ = exact_totals()
    database[-100:-92] = Z64.encode([one]).tobytes()  # as a vector without a mask holds it
    database[-80:-60] = str(two).encode().ljust(20)
    assert set(totals_in(bytes(database))) == {one, two}


def test_no_process_logs_one(used: Ground) -> None:
    logs = list(files_below(used.places.root / "logs"))
    assert {file.stem for file in logs} >= {"hub", "witness", "node-A", "node-B", "node-C"}
    for file in logs:
        assert found_in(file.read_bytes()) == [], file


def test_what_nodes_posted_holds_none(used: Ground) -> None:
    assert len(used.proxy.posts) > 20
    for post in used.proxy.posts:
        assert found_in(post.body) == []
    for owner in toy.OWNERS:  # the envelopes are base64: look at the signed bytes too
        for (envelope,) in used.node_rows(owner, "select envelope from outbox"):
            from jobs.documents import Envelope

            assert found_in(Envelope.parse(envelope).payload) == []


def test_no_answer_of_the_api_holds_one(used: Ground) -> None:
    """Every readable path, for every role, for every job."""
    jobs = [job for (job,) in used.hub_rows("select id from jobs")]
    paths = ["/health", "/rosters", "/datasets", "/datasets/trips", "/jobs", "/requests", "/grants", "/usage",
             "/status", "/log/entries?limit=1000", "/openapi.json"]  # fmt: skip
    for job in jobs:
        below = ("", "/release", "/files/csv", "/files/arrow", "/receipt", "/messages")
        paths += [f"/jobs/{job}{part}" for part in below]
    paths += [f"/nodes/node-{owner}/inbox?after=0" for owner in toy.OWNERS]
    answered = 0
    for token in tokens(used).values():
        with httpx.Client(base_url=f"{used.places.url}/v1", headers={"Authorization": f"Bearer {token}"}) as client:
            for path in paths:
                answer = client.get(path)
                assert answer.status_code < 500
                assert found_in(answer.content) == [], path
                answered += answer.status_code == 200
    assert answered > 50


def tokens(ground: Ground) -> dict[str, str]:
    places = ground.places
    files = {"operator": places.operator("acme") / "token", "auditor": places.auditor / "token"}
    files |= {"owner": places.owner("A") / "token", "node": places.node("A") / "node.token"}
    files |= {"authority": places.root / "authority" / "token", "witness": places.witness / "token"}
    return {role: read_private(file).decode().strip() for role, file in files.items()}


def test_what_was_opened_is_not_the_exact_number(used: Ground) -> None:
    """The planted value is within the noise of every sum that it enters: three owners' noise, each three times the
    largest value that one record may have. Nobody who sees a release can say whether it is there.
    """
    sums = 0
    for (job,) in used.hub_rows("select job from releases"):
        table = used.answer(job)
        if "total" not in table.columns:
            continue
        place = table.columns.index("total")
        for row, errors in zip(table.rows, table.errors, strict=True):
            if row[place] is None:
                continue
            assert row[place] not in exact_totals()
            error = errors[place]
            assert error is not None
            assert float(error) > 6 * toy.CANARY_VALUE
            sums += 1
    assert sums > 5


def test_control_without_noise_the_planted_value_is_read_from_two_sums(used: Ground) -> None:
    """What the noise is for: line west against line south is the planted value, give or take an ordinary day."""
    west, south = (
        sum(row["delay"] or 0 for owner in toy.OWNERS for row in toy.rows(owner) if row["line"] == line)
        for line in ("west", "south")
    )
    assert abs(west - south - toy.CANARY_VALUE) < 2000
