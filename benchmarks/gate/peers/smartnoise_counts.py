"""SmartNoise SQL counts by place, run by its own environment: a Parquet file of (who, place).

For every line of input it runs the query once and answers with the number of rows that it gives back.
"""

import sys

import pandas as pd
import snsql
from snsql import Privacy

frame = pd.read_parquet(sys.argv[1]) if sys.argv[1].endswith(".parquet") else pd.read_csv(sys.argv[1])
columns = {"who": {"type": "int", "private_id": True}, "place": {"type": "int"}}
meta = {"": {"s": {"people": {"row_privacy": False, "rows": len(frame), "max_ids": 1, **columns}}}}
for _ in sys.stdin:
    # a reader has a budget: each run gets a fresh one
    reader = snsql.from_df(frame, privacy=Privacy(epsilon=1.0, delta=1e-6), metadata=meta)
    found = reader.execute("SELECT place, COUNT(*) AS n FROM s.people GROUP BY place")
    sys.stdout.write(f"={len(found) - 1}\n")
    sys.stdout.flush()
