"""Paillier: values encrypted per second for an additive sum, against ``phe`` (with gmpy2) and sf-heu's ZPaillier.

Run: ``python -m benchmarks.mpc.paillier``. sf-heu has old pins, so it runs from its own venv:
``python3.11 -m venv .env-peers/sf-heu && .env-peers/sf-heu/bin/pip install sf-heu "numpy<2"``; without it its rows are
left out, loudly. Ours encrypts all 100,000 values; the peers a sample (they would take minutes), stated per second.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from phe.util import HAVE_GMP

from benchmarks.report import median_ratio, row, write
from mpc.paillier import EncryptionPool, Encryptor, Packing, generate_keypair
from mpc.paillier.keys import PrivateKey

VALUES, ROUNDS, ADDITIONS = 100_000, 5, 16
PHE_SAMPLE, HEU_SAMPLE = 60, 400
HEU = Path(".env-peers/sf-heu/bin/python")
PEER = Path(__file__).with_name("peers") / "heu_paillier.py"
NUMBERS = np.random.default_rng(7).integers(-(1 << 31) + 1, 1 << 31, VALUES)


class Heu:
    """The peer's process; ``rate`` asks it once."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([str(HEU), str(PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def rate(self, bits: int) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"bits": bits, "values": HEU_SAMPLE}) + "\n")
        self.process.stdin.flush()
        line = next(text for text in self.process.stdout if text.startswith("="))
        return HEU_SAMPLE / float(json.loads(line[1:])["seconds"])

    def close(self) -> None:
        self.process.communicate()


def rates(key: PrivateKey, heu: Heu | None) -> dict[str, list[float]]:
    """Values per second of each contender, alternating."""
    bits = key.public.bits
    encryptor, packing, peer = Encryptor(key.public), Packing(32, ADDITIONS, bits), key.public.phe()
    found: dict[str, list[float]] = {"one": [], "two": [], "phe": [], "heu": []}
    with EncryptionPool(encryptor, 2) as pool:
        encryptor.encrypt(NUMBERS[:2000], packing, pool.blind)  # the pool's tables are built at its first task
        for _ in range(ROUNDS):
            start = time.perf_counter()
            vector = encryptor.encrypt(NUMBERS, packing)
            found["one"].append(VALUES / (time.perf_counter() - start))
            start = time.perf_counter()
            encryptor.encrypt(NUMBERS, packing, pool.blind)
            found["two"].append(VALUES / (time.perf_counter() - start))
            start = time.perf_counter()
            for value in NUMBERS[:PHE_SAMPLE].tolist():
                peer.encrypt(value)
            found["phe"].append(PHE_SAMPLE / (time.perf_counter() - start))
            if heu is not None:
                found["heu"].append(heu.rate(bits))
    few = encryptor.encrypt(NUMBERS[:500], packing)
    assert ((few + few).decrypt(key) == 2 * NUMBERS[:500]).all()
    found["bytes"] = [len(vector.ciphertexts) * key.public.bytes_per_ciphertext / VALUES]
    found["phe bytes"] = [float(key.public.bytes_per_ciphertext)]
    return found


def dot(key: PrivateKey) -> tuple[list[float], list[float]]:
    """Seconds for X^T w with 16-bit weights: 200 encrypted rows of 50 features; the peer on 2 features, scaled."""
    features, count = 50, 200
    rng = np.random.default_rng(8)
    weights = [int(w) for w in rng.integers(-(1 << 15), 1 << 15, count)]
    matrix = NUMBERS[: features * count].reshape(count, features) >> 16
    encryptor, packing = Encryptor(key.public), Packing(17, 1 << 24, key.public.bits)
    rows, peer = [encryptor.encrypt(line, packing) for line in matrix], key.public.phe()
    columns = [[peer.encrypt(int(v)) for v in matrix[:, j]] for j in range(2)]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = encryptor.dot(rows, weights)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        for column in columns:
            sum(v * w for v, w in zip(column, weights, strict=True)).ciphertext(be_secure=True)
        theirs.append((time.perf_counter() - start) * features / 2)
    assert (result.decrypt(key).astype(np.int64) == np.array(weights) @ matrix).all()
    return ours, theirs


def main() -> None:
    assert HAVE_GMP, "phe must run with gmpy2, or the comparison is not fair"
    heu = Heu() if HEU.exists() else None
    if heu is None:
        sys.stderr.write(f"SKIPPED: no {HEU}; see this file's first lines for how to create it\n")
    rows = []
    for bits in (2048, 3072):
        key = generate_keypair(bits, decryptions=1_000_000)
        found = rates(key, heu)
        median = {name: statistics.median(values) for name, values in found.items() if values}
        label = f"encrypt 1e5 32-bit values for a sum of {ADDITIONS}, {bits} bits"
        for name, text, target in (("one", "1 process", 300 if bits == 2048 else None), ("two", "2 processes", None)):
            ratio = median_ratio(found[name], found["phe"])
            rows.append(row(f"{label}, {text}", median[name], "values/s", "phe, gmpy2", median["phe"], ratio, target))
        if heu is not None:
            ratio, peer = median_ratio(found["one"], found["heu"]), "sf-heu ZPaillier, batch encoder"
            rows.append(row(f"{label}, 1 process", median["one"], "values/s", peer, median["heu"], ratio))
        share = median["phe bytes"] / median["bytes"]
        rows.append(row(f"ciphertext, {bits} bits", median["bytes"], "bytes/value", "phe", median["phe bytes"], share))
        ours, theirs = dot(key)
        work = f"200 encrypted rows x 50 features times 16-bit weights, {bits} bits"
        middle = statistics.median(ours), statistics.median(theirs)
        rows.append(row(work, middle[0], "s", "phe, gmpy2", middle[1], median_ratio(theirs, ours)))
    if heu is not None:
        heu.close()
    notes = [
        f"Ours packs {Packing(32, ADDITIONS, 2048).slots} values per 2048-bit and {Packing(32, ADDITIONS, 3072).slots} "
        "per 3072-bit ciphertext and blinds from a fixed base with half-length exponents (Damgard-Jurik-Nielsen); the "
        "table (0.2 to 0.6 s, once per job) is not counted. phe and sf-heu encrypt fewer values per ciphertext.",
        f"Peers were sampled ({PHE_SAMPLE} and {HEU_SAMPLE} values a round, the dot product on 2 features) and scaled.",
        "Table look-ups are not constant-time.",
    ]
    if heu is None:
        notes.append("The sf-heu rows were skipped: its venv was missing.")
    write("paillier", rows, notes)


if __name__ == "__main__":
    main()
