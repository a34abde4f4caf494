"""Private set intersection by Diffie-Hellman: cardinality, and sums over the intersection that nobody sees.

``cardinality`` and ``join`` hold the protocols, ``curve25519`` the group they share with ``union_cardinality``.
**These results are oracles**: whoever may choose one side's set learns by a single-item set whether that item is in the
other. The caller must count and budget every run, and apply its minimum group to the sizes of the inputs as well.
"""
