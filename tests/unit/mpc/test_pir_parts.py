"""The parts of a lookup against independent computations: matrix, hint, scan, errors, filter, parameters, estimates."""

import hashlib
import math
import re
import secrets
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.errors import BadParameters
from mpc.pir import (
    PROFILES,
    SIMPLEPIR_2023,
    Keys,
    best_columns,
    failure_log2,
    fuse,
    gaussian,
    index_table,
    keyword_table,
)
from mpc.pir.matrix import hint, public_matrix, scan
from mpc.pir.parameters import MAX_COLUMNS, MAX_ROWS, SIGMA, check_shape
from mpc.pir.security import primal_attack

RNG = np.random.default_rng(3)


def stream(label: bytes, size: int) -> bytes:
    return hashlib.shake_256(label).digest(size)


def drawn(words: bytes, size: int) -> bytes:
    """Chosen randomness."""
    return words


def whole(seed: bytes, columns: int, dimension: int, block: int) -> np.ndarray:
    return np.vstack([rows for _, rows in public_matrix(seed, columns, dimension, block)])


def test_the_public_matrix_is_one_aes_ctr_stream_however_it_is_cut() -> None:
    seed, columns, n = b"\x01" * 32, 301, 1408
    key = hashlib.sha256(b"unseen mpc.pir public matrix v1" + seed).digest()
    plain = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor().update(bytes(4 * columns * n))
    expected = np.frombuffer(plain, "<u4").reshape(columns, n)
    for block in (1, 64, 4096):
        assert (whole(seed, columns, n, block) == expected).all()
    assert not (whole(b"\x02" * 32, columns, n, 64) == expected).any(axis=1).all()


def test_the_hint_is_the_exact_product_across_block_edges() -> None:
    table = RNG.integers(0, 256, (1030, 4100), dtype=np.uint8)
    table[0] = 255
    seed = bytes(32)
    expected = table.astype(np.uint64) @ whole(seed, 4100, 16, 999).astype(np.uint64)
    assert (hint(table, seed, 16) == expected.astype(np.uint32)).all()


@pytest.mark.parametrize("rows", [1, 3, 4, 9, 64])
@pytest.mark.parametrize("count", [1, 3, 4, 6, 9])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_scan_is_the_exact_product(rows: int, count: int, threads: int) -> None:
    vectors = RNG.integers(0, 2**32, (count, 37), dtype=np.uint32)
    for table in (
        RNG.integers(0, 256, (rows, 37), dtype=np.uint8),
        RNG.integers(0, 2**32, (rows, 37), dtype=np.uint32),
    ):
        expected = (vectors.astype(np.uint64) @ table.T.astype(np.uint64)).astype(np.uint32)
        assert (scan(table, vectors, threads) == expected).all()


def test_the_scan_refuses_shapes_that_would_read_beyond_an_array() -> None:
    table, vectors = np.zeros((4, 8), np.uint8), np.zeros((1, 8), np.uint32)
    for wrong in ((table[:, :7], vectors, 1), (table, vectors[:, :7], 1), (table, vectors[0], 1), (table, vectors, 0)):
        with pytest.raises(BadParameters):
            scan(*wrong)


def chi_squared(sample: np.ndarray, sigma: float) -> tuple[float, int]:
    """(statistic, degrees of freedom) of a sample against the discrete Gaussian, tails pooled beyond 3 sigma."""
    edge = math.floor(3 * sigma)
    weights = {k: math.exp(-(k**2) / (2 * sigma**2)) for k in range(-200, 201)}
    total = sum(weights.values())
    clipped = np.clip(sample, -edge, edge)
    statistic = 0.0
    for k in range(-edge, edge + 1):
        inside = [weights[j] for j in weights if (j == k if abs(k) < edge else j * k > 0 and abs(j) >= edge)]
        expected = len(sample) * sum(inside) / total
        statistic += (int((clipped == k).sum()) - expected) ** 2 / expected
    return statistic, 2 * edge


def test_errors_follow_the_discrete_gaussian_and_the_test_tells_a_near_miss() -> None:
    sample = gaussian.sample(400_000, lambda size: stream(b"gauss", size))
    right, freedom = chi_squared(sample, float(SIGMA))
    wrong, _ = chi_squared(sample, 6.3)
    limit = freedom + 5 * math.sqrt(2 * freedom)
    assert right < limit < wrong


def test_errors_at_the_ends_of_the_table() -> None:
    last = len(gaussian.TABLE)
    ends = [(0, 0, 0), (2**63, 0, 0), (2**63 - 1, 2**64 - 1, last), (2**64 - 1, 2**64 - 1, -last)]
    words = b"".join(high.to_bytes(8, "little") + low.to_bytes(8, "little") for high, low, _ in ends)
    assert gaussian.sample(4, partial(drawn, words)).tolist() == [value for *_, value in ends]
    for k, edge in enumerate(gaussian.cumulative(SIGMA)):  # exactly at a step, and one below it
        for offset, value in ((0, k + 1), (-1, k)):
            high, low = divmod(edge + offset, 2**64)
            one = high.to_bytes(8, "little") + low.to_bytes(8, "little")
            assert gaussian.sample(1, partial(drawn, one)).tolist() == [value]
    assert 80 < last < 90


def test_the_error_table_is_the_distribution_itself() -> None:
    table = gaussian.cumulative(Fraction(32, 5))
    weights = [math.exp(-(k**2) / (2 * 6.4**2)) * (2 if k else 1) for k in range(200)]
    for k, entry in enumerate(table[:40]):
        assert entry / 2**127 == pytest.approx(sum(weights[: k + 1]) / sum(weights), rel=1e-12)


def test_the_failure_bound_covers_the_noise_that_a_full_table_makes() -> None:
    columns = 4096
    table = np.full((4, columns), 255, np.uint8)
    noise = []
    for i in range(300):
        errors = gaussian.sample(columns, partial(stream, b"noise%d" % i))
        noise.append(scan(table, errors.view(np.uint32)[None, :])[0, 0].astype(np.int32))
    deviation = float(np.std(noise))
    assert deviation == pytest.approx(6.4 * 255 * math.sqrt(columns), rel=0.15)
    for log_columns in (13, 16, 18):
        scaled = 2**23 / (6.4 * 255 * math.sqrt(2**log_columns))
        true_tail = -(scaled**2) / 2 * math.log2(math.e) - math.log2(scaled * math.sqrt(math.pi / 2))
        assert true_tail <= failure_log2(2**log_columns, 1) <= true_tail + 8
    assert -72 < failure_log2(MAX_COLUMNS, 1) < -71
    assert failure_log2(MAX_COLUMNS, 1 << 10) == pytest.approx(failure_log2(MAX_COLUMNS, 1) + 10)


def test_shapes_beyond_the_sources_are_refused() -> None:
    check_shape(MAX_ROWS, MAX_COLUMNS, MAX_ROWS)
    assert failure_log2(MAX_COLUMNS, MAX_ROWS) < -53  # the worst of all admitted shapes: one record fills all rows
    for rows, columns, cells in ((1, MAX_COLUMNS + 1, 1), ((1 << 18) + 1, 1, 1), (0, 1, 0), (1, 0, 1), (1, 1, 2)):
        with pytest.raises(BadParameters):
            check_shape(rows, columns, cells)


@pytest.mark.parametrize(("n", "sigma", "published"), [(512, 1.5**0.5, 118), (768, 1.0, 182), (1024, 1.0, 256)])
def test_the_estimate_agrees_with_kybers_specification(n: int, sigma: float, published: int) -> None:
    """CRYSTALS-Kyber round 3 specification (2021), section 5.2: classical core-SVP hardness of the three sets."""
    assert abs(primal_attack(n, math.log2(3329), sigma, samples=n).core_svp - published) < 2.5


@pytest.mark.parametrize(("n", "log_q"), [(1024, 29), (2048, 56), (4096, 111)])
def test_the_estimate_agrees_with_the_homomorphic_encryption_standard(n: int, log_q: int) -> None:
    """HomomorphicEncryption.org standard (2018), table 1: uniform secret, classical, sigma = 8/sqrt(2 pi)."""
    assert 127 <= primal_attack(n, log_q, 8 / math.sqrt(2 * math.pi)).sieve <= 134


def test_profiles_state_what_the_estimate_says() -> None:
    for profile in PROFILES.values():
        estimate = primal_attack(profile.dimension, 32, float(SIGMA))
        assert (math.floor(estimate.core_svp), math.floor(estimate.sieve)) == (
            profile.security_core_svp,
            profile.security_sieve,
        )
        assert primal_attack(profile.dimension, 32, float(SIGMA), samples=MAX_COLUMNS) == estimate
    assert SIMPLEPIR_2023.security_sieve < 128  # the reason why it is not the default


@pytest.mark.parametrize("keys", [1, 2, 3, 10, 100, 3000])
def test_every_key_finds_its_sum_of_three_slots(keys: int) -> None:
    columns, segment = fuse.size(keys)
    hashes = RNG.integers(0, 2**64, keys, dtype=np.uint64)
    values = RNG.integers(0, 256, (keys, 3), dtype=np.uint8)
    slots = RNG.integers(0, 256, (columns, 3), dtype=np.uint8)
    attempt = fuse.fill(hashes, values, slots, segment)
    assert attempt is not None
    for key in range(keys):
        at = fuse.positions(int(hashes[key]), attempt, columns, segment)
        assert len(set(at)) == 3
        assert (slots[list(at)].sum(axis=0, dtype=np.uint8) == values[key]).all()


@pytest.mark.parametrize("lookups", [1, 10, 100, 10_000, 1_000_000])
def test_the_best_shape_moves_the_fewest_bytes(lookups: int) -> None:
    cells = 1 << 28

    def traffic(columns: float) -> float:
        return 4 * (1408 * cells / columns + lookups * (columns + cells / columns))

    best = best_columns(cells, lookups)
    assert all(
        traffic(best) <= traffic(best * other) * 1.0001 for other in (0.5, 0.9, 1.1, 2) if best * other <= MAX_COLUMNS
    )
    for wrong in ((0, 1), (1, 0)):
        with pytest.raises(BadParameters):
            best_columns(*wrong)


def test_sealed_cells_cannot_change_under_their_version() -> None:
    table = index_table(np.zeros((5, 2), np.uint8), secrets.token_bytes)
    with pytest.raises(ValueError, match="read-only"):
        table.cells[0, 0] = 1


def test_equal_hashes_and_overfull_filters_are_reported() -> None:
    slots = np.zeros((12, 1), np.uint8)
    assert fuse.fill(np.array([5, 5], np.uint64), np.zeros((2, 1), np.uint8), slots, 4) is None
    assert fuse.fill(np.arange(13, dtype=np.uint64), np.zeros((13, 1), np.uint8), slots, 4) is None


def test_tables_are_near_square_and_the_filter_costs_little() -> None:
    index = index_table(np.zeros((60_000, 20), np.uint8), secrets.token_bytes).layout
    assert 0.9 < index.rows / index.filled < 1.1
    assert index.rows * index.filled < 1.05 * 60_000 * 20
    values = {i.to_bytes(4, "big"): bytes(32) for i in range(60_000)}
    keyword = keyword_table(values, Keys.OPEN, secrets.token_bytes).layout
    assert 0.3 < keyword.rows / keyword.filled < 3
    assert keyword.rows * keyword.filled < 1.7 * 60_000 * 40


def test_the_page_states_what_the_code_computes() -> None:
    page = (Path(__file__).parents[3] / "docs/adr/0003-mpc-pir.md").read_text()
    rows = re.findall(
        r"^\| ([\d.]+) (MiB|GiB) \| 2\^(\d+) \| (-[\d.]+) \| .* \| ([\d.]+) (MiB|GiB) \| .* \|$", page, re.M
    )
    assert len(rows) == 7
    unit = {"MiB": 2**20, "GiB": 2**30}
    for size, size_unit, log_columns, failure, hint_size, hint_unit in rows:
        columns = 1 << int(log_columns)
        assert float(size) * unit[size_unit] == columns**2
        assert float(failure) == pytest.approx(failure_log2(columns, 64), abs=0.05)
        assert float(hint_size) * unit[hint_unit] == pytest.approx(columns * 1408 * 4, rel=0.005)
    for profile in PROFILES.values():
        stated = rf"\| {profile.dimension} \| .* \| {profile.security_core_svp} \| {profile.security_sieve} \|$"
        assert re.search(stated, page, re.M)
    shapes = re.findall(r"^\| (\d+) \| (\d+) \| [\d.]+ \| \d+ \| [\d.]+ \| [\d.]+ \|$", page, re.M)
    assert [(int(lookups), int(columns)) for lookups, columns in shapes] == [
        (lookups, best_columns(1 << 30, lookups)) for lookups in (1, 100, 10_000)
    ]
