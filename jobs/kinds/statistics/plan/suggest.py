"""What to write instead of SQL that is not possible here."""

from __future__ import annotations

from typing import NamedTuple

FUNCTIONS = (
    "ABS", "APPROX_QUANTILE", "AVG", "CEIL", "COALESCE", "CONTAINS", "CORR", "COUNT", "COUNT_IF",
    "COVAR_POP", "COVAR_SAMP", "DATEDIFF", "DATE_PART", "DATE_TRUNC", "DAY", "DAYNAME", "DAYOFWEEK",
    "EXTRACT", "FLOOR", "GREATEST", "HOUR", "IF", "ISODOW", "LEAST", "LEFT", "LENGTH", "LN", "LOG10",
    "LOG2", "LOWER", "MAKE_DATE", "MEDIAN", "MONTH", "MONTHNAME", "NULLIF", "PERCENTILE_CONT",
    "PERCENTILE_DISC", "QUANTILE", "QUANTILE_CONT", "QUANTILE_DISC", "QUARTER", "REGR_AVGX", "REGR_AVGY",
    "REGR_COUNT", "REGR_INTERCEPT", "REGR_R2", "REGR_SLOPE", "RIGHT", "ROUND", "SQRT", "STARTS_WITH",
    "STDDEV", "STDDEV_POP", "STDDEV_SAMP", "SUBSTRING", "SUM", "TRUNC", "UPPER", "VARIANCE", "VAR_POP",
    "VAR_SAMP", "WIDTH_BUCKET", "YEAR",
)  # fmt: skip


class Advice(NamedTuple):
    """Why not, and SQL to write instead (or nothing)."""

    reason: str
    instead: str = ""


ADVICE: dict[str, Advice] = {
    "ANY_VALUE": Advice("it shows a value of one row", "GROUP BY the column"),
    "ARRAY_AGG": Advice("it lists the values of rows"),
    "CURRENT_DATE": Advice("a plan means the same whenever it runs", "a date, or a parameter such as :today"),
    "CURRENT_TIMESTAMP": Advice("a plan means the same whenever it runs", "a date, or a parameter such as :today"),
    "FIRST": Advice("it shows a value of one row"),
    "LAST": Advice("it shows a value of one row"),
    "LIST": Advice("it lists the values of rows"),
    "NOW": Advice("a plan means the same whenever it runs", "a date, or a parameter such as :today"),
    "STRFTIME": Advice("dates are grouped as dates", "DATE_TRUNC('month', column), YEAR(column) or MONTH(column)"),
    "STRING_AGG": Advice("it lists the values of rows"),
    "TODAY": Advice("a plan means the same whenever it runs", "a date, or a parameter such as :today"),
    "WEEK": Advice("weeks are grouped by their Mondays", "DATE_TRUNC('week', column)"),
    "WEEKOFYEAR": Advice("weeks are grouped by their Mondays", "DATE_TRUNC('week', column)"),
}
"""By the name of a function."""

CLAUSES: dict[str, Advice] = {
    "DISTINCT": Advice(
        "it lists values, and a number stands in every row", "SELECT columns, COUNT(*) ... GROUP BY columns"
    ),
    "OFFSET": Advice("a release is one table", "LIMIT, or HAVING"),
    "OVER": Advice("no row is seen beside others", "an aggregate with GROUP BY, and arithmetic on what is released"),
    "QUALIFY": Advice("no row is seen beside others", "HAVING for a condition on released numbers"),
    "TABLESAMPLE": Advice("a plan means the same whenever it runs"),
    "UNION": Advice("one statement gives one table", "each SELECT as a statement of its own"),
}
"""By keyword."""
