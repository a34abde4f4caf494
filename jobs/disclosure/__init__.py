"""Disclosure rules (可用不可见): pure functions that node and hub share. One rule, one file, in ``rules``.

``part.decide_part`` runs at each node on its own part, before anything leaves, per aggregate and cell.
``release.round_all`` and ``release.assemble`` run at the hub on totals of passing cells: rounding, output limits.
A job with one owner is rounded at that owner's node: ``gated.gate_own``.
``profile`` holds the versioned risk appetite that every verdict pins.
"""
