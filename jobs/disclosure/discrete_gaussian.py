"""Discrete Gaussian noise for differential privacy: from a table where its scale is small, else from OpenDP.

Run by a node, on nothing but public numbers: the noise is drawn before it meets a value. Both samplers are exact up to
a probability that is counted in delta, and neither lets floating point touch a value, whose low bits would tell of it
(Mironov, CCS 2012). OpenDP rejects on rational numbers (Canonne, Kamath and Steinke 2020, algorithm 3) with OpenSSL's
private generator, which a forked process does not share; it takes 11 us a draw. Unlike keyed noise this is fresh: a
second draw for the same question would be a second event.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import opendp.prelude as dp

from jobs.disclosure import gaussian_table
from jobs.disclosure.gaussian_table import Int64
from jobs.disclosure.zcdp import Event, bound
from jobs.errors import DisclosureBlocked

_PART = 12_500  # draws a call of OpenDP, which releases the interpreter's lock: parts run side by side
_WORKERS = min(4, os.cpu_count() or 1)

dp.enable_features("contrib")  # OpenDP asks for consent to parts not vetted in full; what we use of it: ADR 33


def noise(cells: int, event: Event) -> Int64:
    """Noise for the ``cells`` numbers of one vector of ``event``, in integer units of its channel; shape (cells,).

    No draw exceeds ``bound(event.sigma, cells, event.truncation)``: what would, with a probability of at most
    ``event.truncation`` in all, is drawn again or cut, and counted in delta. Raises ``InvalidRequest`` as ``bound``
    does, ``DisclosureBlocked`` if OpenDP's own account of its noise is above the ledger's.
    """
    most = bound(event.sigma, cells, event.truncation)
    if most <= gaussian_table.WIDEST:
        return gaussian_table.draw(cells, event.sigma, most)
    return np.clip(opendp_noise(cells, event), -most, most)


def opendp_noise(cells: int, event: Event) -> Int64:
    """Noise of any scale, without a bound but that of 64 bits."""
    parts = [min(_PART, cells - start) for start in range(0, cells, _PART)]
    if len(parts) == 1:
        return _draw(cells, event)
    with ThreadPoolExecutor(_WORKERS) as threads:
        return np.concatenate(list(threads.map(_draw, parts, [event] * len(parts))))


def _draw(cells: int, event: Event) -> Int64:
    scale = float(event.sigma)
    if scale != event.sigma:
        raise DisclosureBlocked("the scale of this event is not exact as a double: take it from zcdp.sigma_for")
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
    measurement = dp.m.make_gaussian(*space, scale=scale)
    if measurement.map(float(event.sensitivity)) > float(event.rho / event.count) * (1 + 1e-9):
        raise DisclosureBlocked("the noise library counts a higher cost than the ledger would book: nothing is drawn")
    return np.array(measurement(np.zeros(cells, dtype=np.int64)), dtype=np.int64)
