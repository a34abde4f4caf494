"""The SDK: what an operator, owner or auditor does from Python. Needs neither server nor Ray.

from sandbox.client import Client
hub = Client("http://127.0.0.1:8440", token)
job = hub.submit("SELECT carrier, COUNT(*) AS flights FROM flights GROUP BY carrier", commitment=signed)
table = hub.wait(job).table          # shows itself in a notebook; .to_pandas(), .to_arrow()
receipt = hub.receipt(job.id)        # verify it offline with sandbox.verify
"""

from sandbox.client.client import Client
from sandbox.client.grant_words import GrantWords, said
from sandbox.client.operator import build_commitment, request_of
from sandbox.client.owner import build_denial, build_grant, build_revocation, draft_grant, sign_said
from sandbox.client.review import Review, Unreadable
from sandbox.client.table import Table
from sandbox.client.views import Job, Preview
from sandbox.hub_http import HubAway, HubRefused

__all__ = [
    "Client",
    "GrantWords",
    "HubAway",
    "HubRefused",
    "Job",
    "Preview",
    "Review",
    "Table",
    "Unreadable",
    "build_commitment",
    "build_denial",
    "build_grant",
    "build_revocation",
    "draft_grant",
    "request_of",
    "said",
    "sign_said",
]
