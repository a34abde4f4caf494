"""Conditions of a grant: each needs its own document, of the kind that it names, judged by that kind's rule."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from jobs.documents import Envelope, Grant, Permit, Roster, Verified, check_evidence, verify_permit
from jobs.documents.base import Document, Id, Label
from jobs.documents.envelope import verify_threshold
from jobs.errors import BadSignature, OutOfScope
from tests.support.orders import change
from tests.support.signed import key
from tests.support.world import World

CONDITION = "test-certificate: model"


class Certificate(Document):
    KIND: ClassVar[str] = "test-certificate"
    id: Id
    about: Label


def rule(condition: str, envelope: Envelope, permit: Permit, roster: Verified[Roster]) -> None:
    """Signed by the hub, and about what the condition says."""
    verify_threshold(envelope, [roster.document.hub_key()], 1, "certificate")
    if Certificate.open(envelope).about != condition.partition(": ")[2]:
        raise OutOfScope("evidence", "the certificate is about something else")


RULES = {"test-certificate": rule}


@pytest.fixture
def certificate() -> Envelope:
    return Certificate(id="c-1", about="model").sign(key("hub"))


def judge(named: dict[str, str], documents: list[Any], rules: dict[str, Any] = RULES) -> None:
    world = World(bend={"permit": change(evidence=named)})
    roster = world.trust.rosters().update(world.roster)
    check_evidence(verify_permit(world.permit, roster), documents, roster, rules)


def test_a_condition_is_met_by_its_document(certificate: Envelope) -> None:
    judge({CONDITION: certificate.digest}, [certificate])
    judge({}, [])


def test_documents_are_exactly_those_that_the_permit_names(certificate: Envelope) -> None:
    other = Certificate(id="c-2", about="model").sign(key("hub"))
    for documents in ([], [other], [certificate, other], [certificate, certificate]):
        with pytest.raises(OutOfScope, match="exactly"):
            judge({CONDITION: certificate.digest}, documents)
    with pytest.raises(OutOfScope, match="exactly"):
        judge({}, [certificate])


def test_the_condition_fixes_kind_and_content(certificate: Envelope) -> None:
    with pytest.raises(OutOfScope, match="something else"):
        judge({"test-certificate: data": certificate.digest}, [certificate])
    with pytest.raises(OutOfScope, match="is no other-kind"):
        judge({"other-kind: model": certificate.digest}, [certificate], {"other-kind": rule})
    with pytest.raises(OutOfScope, match="no rule here"):
        judge({CONDITION: certificate.digest}, [certificate], {})


def test_a_document_by_the_wrong_signer_is_refused() -> None:
    forged = Certificate(id="c-1", about="model").sign(key("acme"))
    with pytest.raises(BadSignature):
        judge({CONDITION: forged.digest}, [forged])


def test_grant_and_permit_default_to_no_condition() -> None:
    world = World()
    assert Grant.open(world.grants[0]).requires == ()
    assert Permit.open(world.permit).evidence == {}
