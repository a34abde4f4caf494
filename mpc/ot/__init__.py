"""Oblivious transfer: base transfers over ristretto255 (``endemic``) and the wide matrix extension (``extension``).

``blake2s`` is the correlation-robust hash of both, vectorised over rows; ``transpose`` turns columns into rows.
"""
