"""Noise and masks as numbers: as wide as the papers ask for, unbiased, and enough for all slots that are opened."""

from __future__ import annotations

import math
import secrets

import numpy as np
import pytest

from mpc.sealed import Layer, Opening, Scoring, VectorSum, advise
from mpc.sealed.advisor_real import _result
from mpc.sealed.circuit import result_bound
from mpc.sealed.masking import draw_mask, uniform
from mpc.sealed.release import round_for_release


def test_release_adds_noise_of_the_asked_deviation() -> None:
    zeros = np.zeros(20_000)
    assert round_for_release(zeros, 50.0, 0, 30, secrets.token_bytes).std() == pytest.approx(50, rel=0.05)
    assert round_for_release(zeros, 50.0, 3, 30, secrets.token_bytes).std() == pytest.approx(400, rel=0.05)
    assert not round_for_release(zeros, 1e-9, 0, 30, secrets.token_bytes).any()  # control


@pytest.mark.parametrize("rows", [10, 5000])
@pytest.mark.parametrize("bits", [30, 32])
def test_the_noise_grows_with_results_and_statistical_bits_as_published(rows: int, bits: int) -> None:
    circuit = Scoring(rows, 1.0, (Layer(4, 3, 2.0, 1.0),), 1e-2)
    p = advise(circuit, statistical_bits=bits)
    hidden = _result(circuit, p.degree, p.scale_bits, p.weight_bits, False).noise
    # Li, Micciancio, Schultz, Sorrell 2022: sqrt(12 t) 2^(s/2) times the bound, t = three units a row
    assert p.flood == pytest.approx(math.sqrt(12 * 3 * rows) * 2 ** (bits / 2) * hidden)


def test_masks_carry_no_modulo_bias() -> None:
    limit, third = 3 << 60, 1 << 60
    drawn = uniform(limit, 20_000, secrets.token_bytes)
    assert abs((drawn < third).mean() - 1 / 3) < 0.02  # six deviations
    folded = np.frombuffer(secrets.token_bytes(160_000), "<u8") % np.uint64(1 << 62) % np.uint64(limit)
    assert abs((folded < third).mean() - 1 / 3) > 0.1  # control


def test_integer_masks_hide_all_slots_opened_together() -> None:
    circuit = VectorSum(1_000_000, 3, 1000)
    p = advise(circuit, opening=Opening.INTEGER)
    slots = p.blocks(circuit.rows) * p.degree
    assert p.modulus >= 2 * 3000 * slots << 40
    # the smallest mask still lifts the smallest result to zero: nothing wraps
    assert int(draw_mask(p, circuit, bytes).min()) == result_bound(circuit)
