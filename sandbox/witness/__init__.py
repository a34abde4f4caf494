"""A witness (见证): neither hub nor node. It follows the log and cosigns one append-only history, and nothing else."""
