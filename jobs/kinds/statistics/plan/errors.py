"""Every refusal of the planner, as types. Texts name construct and position, and never quote a data value."""

from __future__ import annotations

from typing import ClassVar

from jobs.errors import InvalidRequest


class PlanError(InvalidRequest):
    """Root of all planner refusals. ``line`` and ``column`` count from 1; 0 where no position exists. ``instead``: SQL
    to write in place of what is refused, where there is some."""

    code: ClassVar[str] = "plan-refused"

    def __init__(self, text: str, line: int = 0, column: int = 0, instead: str = "") -> None:
        said = f"{text}. Write {instead}" if instead else text
        super().__init__(f"line {line}, column {column}: {said}" if line else said)
        self.text = text
        self.line = line
        self.column = column
        self.instead = instead

    def at(self, line: int, column: int) -> PlanError:
        """The same refusal with a position, where it has none yet."""
        return self if self.line else type(self)(self.text, line, column, self.instead)


class InvalidSql(PlanError):
    """Text that is not one SELECT of the SQL grammar."""

    code = "invalid-sql"


class UnsupportedSql(InvalidSql):
    """A construct outside the documented subset (docs/sql.md)."""

    code = "unsupported-sql"
    advice = "docs/sql.md lists what a statement may contain."


class UnknownName(InvalidSql):
    """A dataset, column or output that the catalogue or the statement does not know."""

    code = "unknown-name"
    advice = "Names are those of 'unseen data list' and 'unseen data show DATASET'."


class UnknownValue(InvalidSql):
    """A literal that is none of its column's declared values: no row could ever match it."""

    code = "unknown-value"
    advice = "'unseen data show DATASET' lists what is declared."


class TypeMismatch(InvalidSql):
    """Two values of different types compared or combined, or a literal that is no value of its type."""

    code = "type-mismatch"


class RoleForbids(InvalidSql):
    """A use that the column's role forbids: an identifier shown, a unit filtered by, a measure's values listed."""

    code = "role-forbids"
    advice = "'unseen data show DATASET' says each column's role; docs/sql.md what a role allows."


class MissingDeclaration(InvalidSql):
    """A domain, bound, cut point or key that the dataset must declare before this can be planned."""

    code = "missing-declaration"
    advice = "Ask the owners to declare it in the dataset file, or leave the column out."


class NotSeparable(InvalidSql):
    """Known and secret columns in one condition or group, which the rules judge apart: to be written with AND."""

    code = "not-separable"
    advice = "docs/sql.md#conditions-on-secret-columns lists what to write instead."


class TooLarge(InvalidSql):
    """More cells, text or nesting than a plan may have, or a range that no ring holds."""

    code = "too-large"


class InvalidPlan(PlanError):
    """A plan that the compiler could not have produced from these datasets. The node refuses it."""

    code = "invalid-plan"


class InvalidParameter(PlanError):
    """A parameter that is missing, unknown, of another type, or outside what the plan allows."""

    code = "invalid-parameter"
