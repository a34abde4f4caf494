"""A table or view of a PostgreSQL database, copied once, exactly, into a Parquet file that is read from then on.

A table has no bytes of its own to digest and changes under a reader; the file is a version like any other.
"""

from adapters.postgresql.copying import copy_table
from adapters.postgresql.table import PostgresTable, load_table

__all__ = ["PostgresTable", "copy_table", "load_table"]
