"""A count of rows as it may be told outside the owner's domain: which class of numbers it is in, never the count."""

from __future__ import annotations


def below(count: int, least: int) -> int:
    """The power of ten that bounds the class of ``count``. None and few are one class: nothing under ``least`` (the
    profile's minimum group) is told apart.

    >>> [below(n, 10) for n in (0, 1, 9, 10, 99, 100)]
    [10, 10, 10, 100, 100, 1000]
    """
    bound = 10
    while bound <= count or bound < least:
        bound *= 10
    return bound
