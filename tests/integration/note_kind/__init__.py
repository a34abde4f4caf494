"""A kind of job for the hub's tests alone: nodes pass notes of any size, then each posts a mark that all recompute.

Its plan names what its referee does wrong, so that a test sees what a kind's own fault does to the hub.
"""
