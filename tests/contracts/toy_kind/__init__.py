"""A kind of job for tests alone: the sum of one column over all parts, by additive shares that are passed on once.

It proves the seam: two rounds from node to node, one to the hub, checkpoints, an output that every participant
recomputes; and nothing outside this folder knows of it but the configuration that names it (``kinds:``).
"""
