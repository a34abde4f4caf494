"""Values of a run's parameters: exactly those the plan names, each of its type and inside what it allows."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from jobs.kinds.statistics.plan.declared import offered
from jobs.kinds.statistics.plan.errors import InvalidParameter, TypeMismatch
from jobs.kinds.statistics.plan.expr import Lit
from jobs.kinds.statistics.plan.types import Parameter, Plan
from jobs.kinds.statistics.plan.values import Value, from_scalar, literal, parse, scalar
from jobs.legible import fault
from jobs.schema import Scalar


def check_parameters(plan: Plan, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The values in canonical form, by name in order: ``"5.0"`` becomes 5. Raises ``InvalidParameter``.

    Numbers are integers or decimal text, dates ISO text. Run by hub and node before anything else sees the values.
    """
    return {name: _scalar(value) for name, (_, value) in _checked(plan, values).items()}


def parameter_literals(plan: Plan, values: Mapping[str, Scalar]) -> dict[str, Lit]:
    """The checked values as literals of the plan's types."""
    return {name: literal(parameter.type, value) for name, (parameter, value) in _checked(plan, values).items()}


def _checked(plan: Plan, values: Mapping[str, Scalar]) -> dict[str, tuple[Parameter, Value]]:
    known = {parameter.name for parameter in plan.parameters}
    unknown = sorted(str(name)[:64] for name in set(values) - known)
    if unknown:
        raise InvalidParameter(f"unknown parameter :{unknown[0]}; the plan has {', '.join(sorted(known)) or 'none'}")
    missing = sorted(known - set(values))
    if missing:
        raise InvalidParameter(f"parameter :{missing[0]} has no value")
    return {p.name: (p, _value(p, values[p.name])) for p in plan.parameters}


def _value(parameter: Parameter, given: Scalar) -> Value:
    name = parameter.name
    try:
        value = from_scalar(parameter.type, given) if isinstance(given, str | int) else None
        if value is None or (isinstance(value, str) and len(value) > 200):
            raise TypeMismatch("no scalar")
        if isinstance(value, str) and (why := fault(value)):
            raise InvalidParameter(f"parameter :{name}: {why}")
        if parameter.allowed is not None:
            if value not in [from_scalar(parameter.type, allowed) for allowed in parameter.allowed]:
                near = offered(str(given), parameter.allowed)
                raise InvalidParameter(f"parameter :{name} is not among the declared values{near}")
        elif parameter.low is not None and parameter.high is not None:
            low, high = parse(parameter.type, parameter.low), parse(parameter.type, parameter.high)
            if not low <= value <= high:  # type: ignore[operator]
                raise InvalidParameter(f"parameter :{name} is outside the declared bounds")
    except TypeMismatch:
        raise InvalidParameter(f"parameter :{name} is a {parameter.type}") from None
    if isinstance(value, Fraction) and (value * 10**parameter.decimals).denominator != 1:
        raise InvalidParameter(f"parameter :{name} has at most {parameter.decimals} decimals")
    return value


def _scalar(value: Value) -> Scalar:
    found = scalar(value)
    if found is None:
        raise InvalidParameter("a parameter without a value")
    return found
