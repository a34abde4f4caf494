"""What a runner adds to ``JobError``."""

from jobs.errors import JobError


class RunnerLost(JobError):
    """The workers died under the scan and again under its repetition; nothing left the node. Submit again."""

    code = "runner-lost"


class ScanOutOfMemory(JobError):
    """The scan hit the node's memory limit: ask for fewer groups, or the owner for a larger limit."""

    code = "out-of-memory"
