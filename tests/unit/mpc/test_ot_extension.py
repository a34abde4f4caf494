"""The matrix of the extension: q = t ^ (c & s) block after block, and what a correction tells about the code word."""

import secrets

import numpy as np
import pytest

from mpc.errors import BadParameters
from mpc.ot.extension import ChoiceSide, CodeSide, ColumnStreams
from mpc.ot.transpose import columns_to_rows

WIDTH = 448


def _sides(same_seeds: bool = False) -> tuple[CodeSide, ChoiceSide]:
    both = np.frombuffer(secrets.token_bytes(WIDTH * 32), np.uint8).reshape(WIDTH, 2, 16).copy()
    if same_seeds:
        both[:, 1] = both[:, 0]
    choices = np.frombuffer(secrets.token_bytes(WIDTH), np.uint8) & np.uint8(1)
    return CodeSide(both), ChoiceSide(choices, both[np.arange(WIDTH), choices])


def _words(count: int) -> np.ndarray:
    return np.frombuffer(secrets.token_bytes(count * WIDTH // 8), np.uint64).reshape(count, WIDTH // 64)


def test_transposition_equals_numpys() -> None:
    columns = np.frombuffer(secrets.token_bytes(128 * 40), np.uint64).reshape(128, 5)
    bits = np.unpackbits(columns.view(np.uint8), axis=1, bitorder="little")
    rows = np.unpackbits(columns_to_rows(columns).view(np.uint8), axis=1, bitorder="little")
    assert np.array_equal(rows, bits.T)
    with pytest.raises(BadParameters):
        columns_to_rows(columns[:100])


@pytest.mark.parametrize("blocks", [[64], [128, 64], [192, 100], [1], [64, 64, 63]])
def test_rows_relate_through_the_choices(blocks: list[int]) -> None:
    code, choice = _sides()
    for count in blocks:
        words = _words(count)
        rows, corrections = code.next(words)
        assert np.array_equal(choice.next(corrections), rows ^ (words & choice.mask))


def test_the_mask_has_the_choices_order() -> None:
    choices = np.zeros(64, np.uint8)
    choices[[0, 9, 63]] = 1
    assert int(ChoiceSide(choices, np.zeros((64, 16), np.uint8)).mask[0]) == 1 | 1 << 9 | 1 << 63


def test_streams_do_not_repeat() -> None:
    seeds = np.frombuffer(secrets.token_bytes(64 * 16), np.uint8).reshape(64, 16)
    once, twice = ColumnStreams(seeds), ColumnStreams(seeds)
    rows = once.next(256)
    assert np.array_equal(np.concatenate([twice.next(128), twice.next(128)]), rows)
    assert len(np.unique(rows)) == 256


def _agreement(same_seeds: bool) -> float:
    """Share of bits in which the choice side's view (corrections) equals the secret code words."""
    code, _ = _sides(same_seeds)
    words = _words(512)
    _, corrections = code.next(words)
    return 1 - float(np.bitwise_count(corrections ^ words).sum()) / (512 * WIDTH)


def test_a_correction_hides_the_code_word() -> None:
    assert abs(_agreement(same_seeds=False) - 0.5) < 0.01  # 10 standard deviations
    assert _agreement(same_seeds=True) == 1.0  # positive control: one seed for both cancels the mask


@pytest.mark.parametrize("shape", [(63, 16), (64, 15)])
def test_seeds_of_a_wrong_shape_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(BadParameters):
        ColumnStreams(np.zeros(shape, np.uint8))
    with pytest.raises(BadParameters):
        CodeSide(np.zeros(shape, np.uint8))
    with pytest.raises(BadParameters):
        ChoiceSide(np.zeros(1, np.uint8), np.zeros(shape, np.uint8))
