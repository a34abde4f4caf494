"""Exact joint statistics: one node's step. ``run.run_local`` turns plan and data into channel values and evidence."""
