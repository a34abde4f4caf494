"""What can go wrong on a node's own data. Texts name columns, never values; the operator sees less than this."""

from __future__ import annotations

from typing import ClassVar

from jobs.errors import JobError


class StatisticsError(JobError):
    """Root of failures while a plan runs over local data."""

    code: ClassVar[str] = "statistics-failed"


class DataViolatesDeclaration(StatisticsError):
    """A value outside declared bounds, domain, type or nullability: the registration no longer describes the data."""

    code = "data-violates-declaration"


class SourceMismatch(StatisticsError):
    """A table or column that the plan needs and the source does not offer in a usable type."""

    code = "source-mismatch"


class ArithmeticOverflow(StatisticsError):
    """A number beyond the proven range: the declared bounds or row bound do not hold."""

    code = "arithmetic-overflow"


class OutOfLocalMemory(StatisticsError):
    """The step did not fit into its memory limit, even in many partitions."""

    code = "out-of-memory"
