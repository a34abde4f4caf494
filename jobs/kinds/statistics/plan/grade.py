"""The grade of a job (分类分级, requirement R12): of everything it touches, and of the combination (汇聚、关联)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import Dataset, Grade, Role

_ORDER = (Grade.GENERAL, Grade.SENSITIVE_PERSONAL, Grade.IMPORTANT, Grade.CORE)


def combined_grade(plan: Plan, datasets: Mapping[str, Dataset]) -> tuple[Grade, str]:
    """The highest grade of all that is touched, and why, in words.

    Linking sensitive columns of two datasets is never ``general``, however each is graded alone.
    """
    touched = plan.columns_touched()
    reasons = [(datasets[name].grade, f"dataset {name}") for name in touched]
    linked = set()
    for name, columns in touched.items():
        for column in (datasets[name].column(c) for c in columns):
            reasons.append((column.grade, f"column {name}.{column.name}"))
            if column.role is Role.SENSITIVE:
                linked.add(name)
    if len(linked) > 1:
        text = f"the join links sensitive columns of {', '.join(sorted(linked))} to one individual"
        reasons.append((Grade.SENSITIVE_PERSONAL, text))
    grade = highest(reason[0] for reason in reasons)
    causes = [text for found, text in reasons if found is grade]
    return (
        grade,
        f"{grade.value}, because of {', '.join(causes)}" if grade is not Grade.GENERAL else "nothing above general",
    )


def highest(grades: Iterable[Grade]) -> Grade:
    return max(grades, key=_ORDER.index, default=Grade.GENERAL)
