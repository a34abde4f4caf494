"""Runs one checked permit's local step next to the data. ``port`` is what a node sees; ``ray_runner`` is the only Ray."""
