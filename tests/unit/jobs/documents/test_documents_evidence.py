"""Conditions of a grant: each needs its own document, of the kind that it names, judged by that kind's rule."""

from typing import ClassVar

import pytest

from jobs.documents import Grant, Permit, check_evidence, verify_permit
from jobs.documents.base import Document, Id, Label
from jobs.documents.envelope import verify_threshold
from jobs.errors import BadSignature, OutOfScope

CONDITION = "test-certificate: model"


class Certificate(Document):
    KIND: ClassVar[str] = "test-certificate"
    id: Id
    about: Label


def rule(condition, envelope, permit, roster):
    """Signed by the hub, and about what the condition says."""
    verify_threshold(envelope, [roster.document.hub_key()], 1, "certificate")
    if Certificate.open(envelope).about != condition.partition(": ")[2]:
        raise OutOfScope("evidence", "the certificate is about something else")


RULES = {"test-certificate": rule}


@pytest.fixture
def certificate(worlds):
    return Certificate(id="c-1", about="model").sign(worlds.key("hub"))


def judge(worlds, named, documents, rules=RULES):
    world = worlds.World(bend={"permit": worlds.change(evidence=named)})
    roster = world.trust.rosters().update(world.roster)
    check_evidence(verify_permit(world.permit, roster), documents, roster, rules)


def test_a_condition_is_met_by_its_document(worlds, certificate):
    judge(worlds, {CONDITION: certificate.digest}, [certificate])
    judge(worlds, {}, [])


def test_documents_are_exactly_those_that_the_permit_names(worlds, certificate):
    other = Certificate(id="c-2", about="model").sign(worlds.key("hub"))
    for documents in ([], [other], [certificate, other], [certificate, certificate]):
        with pytest.raises(OutOfScope, match="exactly"):
            judge(worlds, {CONDITION: certificate.digest}, documents)
    with pytest.raises(OutOfScope, match="exactly"):
        judge(worlds, {}, [certificate])


def test_the_condition_fixes_kind_and_content(worlds, certificate):
    with pytest.raises(OutOfScope, match="something else"):
        judge(worlds, {"test-certificate: data": certificate.digest}, [certificate])
    with pytest.raises(OutOfScope, match="is no other-kind"):
        judge(worlds, {"other-kind: model": certificate.digest}, [certificate], {"other-kind": rule})
    with pytest.raises(OutOfScope, match="no rule here"):
        judge(worlds, {CONDITION: certificate.digest}, [certificate], {})


def test_a_document_by_the_wrong_signer_is_refused(worlds):
    forged = Certificate(id="c-1", about="model").sign(worlds.key("operator"))
    with pytest.raises(BadSignature):
        judge(worlds, {CONDITION: forged.digest}, [forged])


def test_grant_and_permit_default_to_no_condition(worlds):
    world = worlds.World()
    assert Grant.open(world.grants[0]).requires == ()
    assert Permit.open(world.permit).evidence == {}
