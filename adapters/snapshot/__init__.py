"""An owner's data version as immutable columns, split by a keyed hash of the unit and sorted by unit.

``columns``    what is stored of a declared column, and how Arrow values become it (checked, exact)
``units``      the keyed hash that splits and orders units
``index``      the one small file that names and digests all others; its own digest is kept by the node
``write``      a source to a snapshot, in bounded memory; an append adds sorted runs to the parts
``runs``       one sorted run on disk: column files and its units; ``compact`` makes one of several
``read``       runs merged by unit; a snapshot as a ``Source``
``exclusions`` units whose rows no scan may see any more
``changed``    how many rows an exclusion takes out
``sealed``     files encrypted at rest
"""
