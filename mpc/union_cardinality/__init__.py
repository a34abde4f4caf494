"""How many distinct units several parties hold together, without showing a unit: exact, by commutative masking.

Local distinct counts do not add up, because one unit may be at several parties. ``ring`` holds the roles. The count is
an oracle (the count with and without one item tells whether others hold it): the caller budgets every run.
"""
