"""From an operator's SQL to a typed, canonical plan; and from a plan to words, proofs and checks. No data, no I/O.

``types.Plan`` is the contract; ``compile.compile_sql`` makes one (the only user of sqlglot), ``check.check_plan`` lets
a node refuse what the compiler could not have produced, ``parameters.check_parameters`` types the values of a run,
``words.explain`` says in words what a plan reveals. Nothing here imports DuckDB.
"""
