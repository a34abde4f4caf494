"""Runs one checked permit's local step. ``port`` is what a node sees; ``ray_runner`` is the only Ray."""
