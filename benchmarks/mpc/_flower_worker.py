"""The peer's side of the secure-aggregation benchmarks: Flower's own functions, run by the interpreter of its own venv.

Reads one JSON request a line, answers with seconds measured here. Not imported by this project's code; see ``_flower``.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from flwr.common import bytes_to_ndarray, ndarrays_to_parameters
from flwr.common.secure_aggregation.crypto.shamir import combine_shares, create_shares
from flwr.common.secure_aggregation.crypto.symmetric_encryption import generate_shared_key
from flwr.common.secure_aggregation.ndarrays_arithmetic import (
    parameters_addition,
    parameters_mod,
    parameters_subtraction,
)
from flwr.common.secure_aggregation.secaggplus_constants import Key
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
from flwr.supercore.primitives.asymmetric import (
    bytes_to_private_key,
    bytes_to_public_key,
    generate_key_pairs,
)

mod = importlib.import_module("flwr.client.mod.secure_aggregation.secaggplus_mod")  # its package hides it
MODULUS = 1 << 32


def masks(clients: int, length: int) -> dict[str, float]:
    """One client's sum of pairwise masks, from key agreement on, as its client mod computes it."""
    own, _ = generate_key_pairs()
    publics = [generate_key_pairs()[1] for _ in range(clients - 1)]
    total = [np.zeros(length, dtype=np.int64)]
    start = time.perf_counter()
    for i, public in enumerate(publics):
        mask = pseudo_rand_gen(generate_shared_key(own, public), MODULUS, [(length,)])
        total = (parameters_addition if i % 2 else parameters_subtraction)(total, mask)
    parameters_mod(total, MODULUS)
    return {"seconds": time.perf_counter() - start}


def shares(threshold: int, number: int) -> dict[str, float]:
    """Share and combine one seed of 32 bytes."""
    secret = bytes(range(32))
    start = time.perf_counter()
    made = create_shares(secret, threshold, number)
    middle = time.perf_counter()
    if combine_shares(made[number - threshold :]) != secret:
        raise SystemExit("the peer did not recover the secret")
    end = time.perf_counter()
    return {"split": middle - start, "combine": end - middle, "seconds": end - start}


def round_(clients: int, length: int, degree: int, threshold: int, dropouts: int) -> dict[str, float]:
    """A full round: every client's four stages by the client mod's functions, then the server's unmasking."""
    states = {nid: new_state(nid) for nid in range(clients)}
    half = degree // 2
    near = {n: [(n + step) % clients for step in range(-half, half + 1)] for n in states}
    update = ndarrays_to_parameters([np.linspace(-1, 1, length)])
    start = time.perf_counter()
    setup = {
        Key.SAMPLE_NUMBER: clients,
        Key.SHARE_NUMBER: degree + 1,
        Key.THRESHOLD: threshold,
        Key.CLIPPING_RANGE: 8.0,
        Key.TARGET_RANGE: 1 << 20,
        Key.MOD_RANGE: MODULUS,
        Key.MAX_WEIGHT: 1000.0,
    }
    publics: dict[int, tuple[bytes, bytes]] = {}
    for nid, state in states.items():
        answer = mod._setup(state, setup)
        publics[nid] = (answer[Key.PUBLIC_KEY_1], answer[Key.PUBLIC_KEY_2])
    inbox: dict[int, tuple[list[int], list[bytes]]] = {nid: ([], []) for nid in states}
    for nid, state in states.items():
        answer = mod._share_keys(state, {str(n): publics[n] for n in near[nid]})
        for to, box in zip(answer[Key.DESTINATION_LIST], answer[Key.CIPHERTEXT_LIST], strict=True):
            inbox[to][0].append(nid)
            inbox[to][1].append(box)
    lost = set(range(0, clients, clients // dropouts)) if dropouts else set()
    active = [nid for nid in states if nid not in lost]
    total: Any = None
    for nid in active:
        sources, boxes = inbox[nid]
        answer = mod._collect_masked_vectors(
            states[nid], {Key.SOURCE_LIST: sources, Key.CIPHERTEXT_LIST: boxes}, 1000, update
        )
        vectors = [bytes_to_ndarray(raw) for raw in answer[Key.MASKED_PARAMETERS]]
        total = vectors if total is None else parameters_addition(total, vectors)
    collected: dict[int, list[bytes]] = {nid: [] for nid in states}
    for nid in active:
        request = {
            Key.ACTIVE_NODE_ID_LIST: [n for n in near[nid] if n not in lost],
            Key.DEAD_NODE_ID_LIST: [n for n in near[nid] if n in lost],
        }
        answer = mod._unmask(states[nid], request)
        for owner, share in zip(answer[Key.NODE_ID_LIST], answer[Key.SHARE_LIST], strict=True):
            collected[owner].append(share)
    shapes = [vector.shape for vector in total]
    for owner, given in collected.items():
        secret = combine_shares(given)
        if owner not in lost:
            total = parameters_subtraction(total, pseudo_rand_gen(secret, MODULUS, shapes))
            continue
        for peer in near[owner]:
            if peer == owner or peer in lost:
                continue
            key = generate_shared_key(bytes_to_private_key(secret), bytes_to_public_key(publics[peer][0]))
            mask = pseudo_rand_gen(key, MODULUS, shapes)
            total = (parameters_addition if owner > peer else parameters_subtraction)(total, mask)
    total = parameters_mod(total, MODULUS)
    seconds = time.perf_counter() - start
    before = time.perf_counter()
    mod.quantize([np.linspace(-1, 1, length)], 8.0, 1 << 20)
    quantizing = (time.perf_counter() - before) * len(active)
    expected = len(active) * ((-1 + 8.0) / 16 * (1 << 20))
    # the first coordinate of the sum is known up to stochastic rounding
    if abs(float(total[1][0]) - expected) > 2 * len(active):
        raise SystemExit("the peer's sum is wrong: its round was not driven as it should be")
    return {"seconds": seconds, "quantizing": quantizing}


def new_state(nid: int) -> Any:
    state = mod.SecAggPlusState()
    state.nid = nid
    return state


WORKS: dict[str, Callable[..., dict[str, float]]] = {"masks": masks, "shares": shares, "round": round_}


def main() -> int:
    for line in sys.stdin:
        request = json.loads(line)
        answer = WORKS[request.pop("work")](**request)
        answer["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
