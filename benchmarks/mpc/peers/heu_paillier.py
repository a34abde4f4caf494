"""The peer's side of ``benchmarks.mpc.paillier``: sf-heu's ZPaillier, run by the interpreter of its own venv.

Reads one JSON request a line ({"bits", "values"}), answers with the seconds to encode and encrypt that many 32-bit
integers in batches of two (its batch encoder's size), and checks that a sum decrypts. Not imported by this project.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from heu import phe
from heu.numpy import setup

kits = {}
for line in sys.stdin:
    request = json.loads(line)
    bits = request["bits"]
    if bits not in kits:
        kits[bits] = setup(phe.SchemaType.ZPaillier, bits)
    kit = kits[bits]
    values = np.random.default_rng(1).integers(-(1 << 31) + 1, 1 << 31, request["values"]).reshape(-1, 2)
    encoder = kit.batch_integer_encoder()
    start = time.perf_counter()
    sealed = kit.encryptor().encrypt(kit.array(values, encoder))
    seconds = time.perf_counter() - start
    few = kit.array(values[:4], encoder)
    total = kit.evaluator().add(kit.encryptor().encrypt(few), kit.encryptor().encrypt(few))
    if not (kit.decryptor().decrypt(total).to_numpy(encoder) == 2 * values[:4]).all():
        raise SystemExit("the peer's sum is wrong")
    sys.stdout.write("=" + json.dumps({"seconds": seconds, "ciphertexts": len(values)}) + "\n")
    sys.stdout.flush()
