"""The commented hub.yaml that ``unseen hub init`` writes."""

from __future__ import annotations

import json


def hub_yaml(host: str, port: int, certificate: str | None, key: str | None) -> str:
    """A hub's settings with these values. Without a certificate it serves loopback only."""
    mark = "" if certificate else "# "
    return f"""\
# The hub's settings; paths are relative to this file. Whatever stands behind "# " is the default or an example.
state: state                    # hub.sqlite, hub.key, uploads: what to back up
trust: trust.json               # the authority's root, pinned

host: {json.dumps(host)}{" " * max(1, 26 - len(json.dumps(host)))}# beyond 127.0.0.1 only with tls
port: {port}
{mark}tls:
{mark}  certificate: {certificate or "hub.crt"}
{mark}  key: {key or "hub-tls.key"}              # mode 0600

log: plain                      # or json: one object a line, for who collects logs

# More than one process, or a database that is backed up while it runs: docs/postgresql.md
# database: postgresql://hub@/unseen?host=/run/postgresql
# workers: 4

# permit_seconds: 300           # nodes refuse to start a job later than this after its permit
# job_seconds: 600              # a job that runs longer fails, typed
# request_days: 30              # a request that nobody answers expires
# kinds: []                     # packages of further kinds of jobs: CONTRIBUTING.md

# A checkpoint of the log is signed at the end of a job, when the log stands still for quiet seconds,
# or this long after it grew, but never two within the gap.
# checkpoint_seconds: 2.0
# checkpoint_quiet_seconds: 1.0
# checkpoint_gap_seconds: 0.1
# tick_seconds: 1.0
# max_wait_seconds: 30.0        # of a long poll

# max_body_bytes: 33554432      # of a node's post
# upload_bytes: 2147483648      # of one node, until their headers come
# front_door: {{}}                # limits, time-outs, quotas, proxies: docs/front-door.md
"""
