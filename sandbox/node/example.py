"""The commented node.yaml that ``unseen node init`` writes."""

from __future__ import annotations

import json


def node_yaml(node: str, owner: str, hub: str) -> str:
    """A node's settings with these values; everything else is the default, shown."""
    return f"""\
# The node's settings; paths are relative to this file. Whatever stands behind "# " is the default or an example.
node: {json.dumps(node)}
owner: {json.dumps(owner)}
hub: {json.dumps(hub)}
state_dir: state                # node.sqlite, keys, snapshots: what to back up
trust: trust.json               # the authority's root, pinned
token_file: node.token          # from the platform, mode 0600

log: plain                      # or json: one object a line, for who collects logs

# Ray, which scans your data: the node starts its own. More machines: docs/cluster.md
# ray:
#   cpus: 2
#   object_store_bytes: 200000000
#   address: 10.0.0.5:6379      # join this runtime instead; it is one trust domain
#   token_file: ray.token
# threads: 2                    # of one part of a scan
# memory_bytes: 1000000000      # of one part of a scan
# jobs_at_once: 4

# snapshots:
#   folder: /srv/unseen/snapshots   # else in state_dir
#   encrypt: false

# What may not be asked here, whatever was granted.
# denied_columns: [visits.diagnosis]
# job_seconds_at_most: 3600     # a permit whose deadline lies further away is refused
# kinds: []                     # packages of further kinds of jobs: CONTRIBUTING.md

# How much the audit of all answers remembers; what it cannot hold is refused: docs/disclosure.md
# audit_rows: 20000
# audit_records: 20000000
# log_patience_s: 30.0          # a new job waits so long for the hub's log to show earlier messages
"""
