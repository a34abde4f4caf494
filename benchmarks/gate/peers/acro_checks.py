"""What ACRO's automatic checks find in tables, run by its own environment: a CSV file and, on stdin, tables as JSON.

A table is ``{"by": [two columns], "values": column or null, "aggfunc": "mean" | "sum" | null}``. Answers, table by
table, with a list of ``[first, second, "NameOfCheck; ..."]`` for every cell of its outcome.
"""

import contextlib
import io
import json
import logging
import sys

import pandas as pd
from acro import ACRO

logging.disable(logging.CRITICAL)
frame = pd.read_csv(sys.argv[1])
session = ACRO(suppress=False)
for number, line in enumerate(sys.stdin):
    table = json.loads(line)
    first, second = (frame[name] for name in table["by"])
    more = {} if table["values"] is None else {"values": frame[table["values"]], "aggfunc": table["aggfunc"]}
    with contextlib.redirect_stdout(io.StringIO()):
        session.crosstab(first, second, **more)
    outcome = session.results.get_index(number).outcome
    cells = [[row, column, str(outcome.loc[row, column])] for row in outcome.index for column in outcome.columns]
    sys.stdout.write("=" + json.dumps(cells, default=lambda value: value.item()) + "\n")
    sys.stdout.flush()
