"""The SDK: what an operator, owner or auditor does from Python. Needs neither server nor Ray.

from sandbox.client import Client
hub = Client.from_environment()
answer = hub.ask("SELECT carrier, COUNT(*) AS flights FROM flights GROUP BY carrier", purpose="a report on punctuality")
answer                               # shows itself in a notebook; .to_pandas(), .to_arrow(), .receipt
Each step by itself: ``preview``, ``build_commitment``, ``submit``, ``wait``, ``receipt``, and ``sandbox.verify``.
"""

from sandbox.client.asking import Answer, NotReleased, QuestionDenied, StillWaiting
from sandbox.client.client import Client
from sandbox.client.grant_words import GrantWords, said
from sandbox.client.operator import Signer, build_commitment, request_of
from sandbox.client.owner import build_denial, build_grant, build_revocation, draft_grant, sign_said
from sandbox.client.review import Review, Unreadable
from sandbox.client.table import Table
from sandbox.client.views import Job, Preview
from sandbox.hub_http import HubAway, HubRefused

__all__ = [
    "Answer",
    "Client",
    "GrantWords",
    "HubAway",
    "HubRefused",
    "Job",
    "NotReleased",
    "Preview",
    "QuestionDenied",
    "Review",
    "Signer",
    "StillWaiting",
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
