"""Private information retrieval: a client looks a record up and the server does not learn which (匿踪查询).

Roles: ``Server`` holds a table (``prepare`` it once, serve many sessions), ``Client`` wants some records by number
(``index_table``) or by key (``keyword_table``). One batch of lookups is one session; the hint is kept between them.

The scheme is SimplePIR (Henzinger, Hong, Corrigan-Gibbs, Meiklejohn, Vaikuntanathan, USENIX Security 2023, ePrint
2022/949, section 4); keyword lookup is the binary fuse filter encoding of ChalametPIR (Celi, Davidson, CCS 2024,
ePrint 2024/092). Security: the server learns the table, the number of lookups and nothing else, under plain LWE; the
client learns nothing of the table from the hint (``hiding_columns``, under LWE too), but is trusted with whole columns
(``Layout.readable``; see ``mpc.pir.table`` and ``mpc.pir.keyword`` for what an answer carries).
A server that deviates can make lookups fail and learn from the client's reaction; it cannot read a query.
"""

from mpc.pir.client import Client
from mpc.pir.keyword import Keys, keyword_table
from mpc.pir.layout import Layout, StaleHint
from mpc.pir.messages import Hint
from mpc.pir.parameters import ANSWERS, PROFILES, SIMPLEPIR_2023, WIDE, Profile, failure_log2, hiding_columns
from mpc.pir.server import Prepared, Server, prepare
from mpc.pir.table import Table, best_columns, index_table

__all__ = [
    "ANSWERS",
    "PROFILES",
    "SIMPLEPIR_2023",
    "WIDE",
    "Client",
    "Hint",
    "Keys",
    "Layout",
    "Prepared",
    "Profile",
    "Server",
    "StaleHint",
    "Table",
    "best_columns",
    "failure_log2",
    "hiding_columns",
    "index_table",
    "keyword_table",
    "prepare",
]
