"""Disclosure rules (可用不可见): pure functions that node and hub share. One rule, one file, in ``rules``.

``part.decide_part`` runs at each node on its own part, before anything leaves, per aggregate and cell; ``noise`` is
added to every number there. ``gate``: what a node's audit is asked. ``rounding``: how many digits a noisy number shows.
``profile`` holds the versioned risk appetite that every verdict pins.
"""
