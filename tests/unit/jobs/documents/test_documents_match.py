"""A permit stays within grants and commitment, or the first difference is named. Each case bends one bound thing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from jobs.documents import (
    Basis,
    DataScope,
    ExactVersion,
    ParameterRule,
    Period,
    VersionSeries,
    WitnessEntry,
    check_basis,
    digest,
    verify_commitment,
    verify_dataset_record,
    verify_grant,
    verify_permit,
    verify_status,
)
from jobs.errors import BadDocument, BadSignature, Expired, OutOfScope, UnknownSigner
from sandbox.catalogue.register import schema_digest
from sandbox.keys import certify_node
from tests.support import orders
from tests.support.orders import FLIGHTS, NOW, RULE, Bend, owner_keys
from tests.support.signed import DAY, NODES, key, participants, seal
from tests.support.world import World

OTHER = digest(b"another")


def check(world: World, now: datetime | None = None) -> None:
    roster = world.trust.rosters().update(world.roster)
    permit = verify_permit(world.permit, roster, now)
    grants = [verify_grant(item, roster, now) for item in world.grants]
    commitment = verify_commitment(world.commitment, roster, now)
    records = tuple(verify_dataset_record(record, roster) for record in world.records)
    status = verify_status(world.status, roster)
    check_basis(Basis(permit, tuple(grants), commitment, records, status, roster))


def test_the_unbent_world_passes() -> None:
    check(World(), NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("operator", "op-token"),
        ("scenario", "another"),
        ("commitment", OTHER),
        ("algorithm", OTHER),
        ("plan_digest", OTHER),
    ],
)
def test_a_grant_that_binds_another_thing_is_not_covered(field: str, value: str) -> None:
    with pytest.raises(OutOfScope) as refused:
        check(World(bend={"grant:jfk": orders.change(**{field: value})}))
    assert refused.value.field == field


def test_participants_their_order_owners_and_keys_are_bound() -> None:
    ewr, jfk, lga = participants(NODES)
    for bound in (
        (jfk, ewr, lga),
        (ewr, jfk),
        (ewr, jfk, lga.model_copy(update={"key": key("another").public.text})),
        (ewr, jfk, lga.model_copy(update={"owner": "ewr"})),
    ):
        with pytest.raises(OutOfScope) as refused:
            check(World(bend={"grant:jfk": orders.change(participants=bound)}))
        assert refused.value.field == "participants"


def test_a_new_roster_with_the_same_keys_voids_no_grant() -> None:
    """The grants were signed under version 1; the permit is issued under version 2, in which a witness is another."""
    witness = WitnessEntry(name="witness-9", key=key("witness-9").public.text)
    bend = {"roster": orders.change(version=2, witnesses=(witness,))}
    old, new = World(), World(bend=bend)
    assert [item.digest for item in old.grants] == [item.digest for item in new.grants]
    assert old.roster.digest != new.roster.digest
    check(new)


def test_a_node_key_that_changed_in_the_roster_voids_the_grants() -> None:
    start, end = orders.roster().issued, orders.roster().expires
    node = certify_node("lga", "node-lga", key("new").public, seal("new").public, start, end, owner_keys("lga"))
    first, second, third = orders.roster().owners
    owners = (first, second, third.model_copy(update={"nodes": (node,)}))
    with pytest.raises(OutOfScope, match="node-lga has another owner or key"):
        check(World(bend={"roster": orders.change(owners=owners)}))


def test_output_rule_and_profile_are_bound() -> None:
    for change in ({"version": RULE.version + 1}, {"digest": OTHER}, {"form": "model"}):
        rule = RULE.model_copy(update=change)
        with pytest.raises(OutOfScope, match="profile") as refused:
            check(World(bend={"grant:lga": orders.change(output=rule)}))
        assert refused.value.field == "output"


@pytest.mark.parametrize("allowed", [(2014,), ("2013",), (True,), (2012, 2014)])
def test_parameter_values_and_types_are_bound(allowed: tuple[Any, ...]) -> None:
    rule = (ParameterRule(name="year", allowed=allowed),)
    with pytest.raises(OutOfScope, match="year"):
        check(World(bend={"grant:ewr": orders.change(parameters=rule)}))


def test_true_is_not_one() -> None:
    assert not ParameterRule(name="x", allowed=(1,)).permits(True)
    assert ParameterRule(name="x", allowed=(True, 2)).permits(2)


def test_missing_and_extra_parameters() -> None:
    for rules in ((), (ParameterRule(name="year", allowed=(2013,)), ParameterRule(name="month", allowed=(1,)))):
        with pytest.raises(OutOfScope, match="other parameters"):
            check(World(bend={"grant:ewr": orders.change(parameters=rules)}))


def scope(**fields: Any) -> Bend:
    plain: dict[str, Any] = {"dataset": "flights", "columns": ("carrier", "delay", "tailnum", "year")}
    plain["version"] = ExactVersion(lineage=orders.record("jfk").version)
    return orders.change(data=(DataScope(**(plain | fields)),))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dataset": "planes"}, "dataset flights"),
        ({"columns": ("delay", "tailnum", "year")}, "column carrier"),
        ({"version": ExactVersion(lineage=OTHER)}, "changed since the grant"),
    ],
)
def test_data_columns_and_exact_version_are_bound(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(OutOfScope, match=words):
        check(World(bend={"grant:jfk": scope(**fields)}))


def test_a_refresh_of_the_data_voids_an_exact_grant() -> None:
    """The owner registers a new version, the hub's permit names it, the grants are the old ones."""
    fresh = digest(b"fresh version")
    use = lambda permit: permit.model_copy(  # noqa: E731
        update={
            "data": tuple(u.model_copy(update={"version": fresh}) if u.node == "node-jfk" else u for u in permit.data)
        }
    )
    bend = {"record:jfk": orders.change(version=fresh, lineage=fresh, sequence=2), "permit": use}
    with pytest.raises(OutOfScope, match="changed since the grant"):
        check(World(bend=bend))
    # the control: the same files under a version that leaves further individuals out
    check(World(bend=bend | {"record:jfk": orders.change(version=fresh, changed_below=10, sequence=2)}))


@pytest.mark.parametrize(
    ("change", "words"),
    [({}, None), ({"schema_digest": OTHER}, "schema"), ({"frequency": "monthly"}, "frequency"),
     ({"until": NOW - 11 * DAY}, "beyond the end")],
)  # fmt: skip
def test_a_series_binds_schema_frequency_and_end(change: dict[str, Any], words: str | None) -> None:
    plain: dict[str, Any] = {"schema_digest": schema_digest(FLIGHTS), "frequency": "other", "until": NOW}
    world = World(bend={"grant:jfk": scope(version=VersionSeries(**(plain | change)))})
    if words is None:
        check(world)
    else:
        with pytest.raises(OutOfScope, match=words):
            check(world)


def test_the_version_used_must_be_registered_by_its_owner() -> None:
    world = World()
    world.records = world.records[1:]
    with pytest.raises(OutOfScope, match="no record by ewr"):
        check(world)


def test_every_owner_grants_once() -> None:
    for grants in (lambda g: g[:2], lambda g: [*g, g[0]], lambda g: [g[0], g[0], g[2]]):
        world = World()
        world.grants = grants(world.grants)
        with pytest.raises(OutOfScope, match="grant"):
            check(world)


def test_periods_are_judged_at_the_permit_time() -> None:
    past = Period(start=NOW - 9 * DAY, end=NOW)
    for name in ("grant:jfk", "commitment"):
        with pytest.raises(Expired, match="valid from"):
            check(World(bend={name: orders.change(period=past)}))


def test_the_commitment_lists_operator_scenario_and_data() -> None:
    for change in ({"scenario": "another"}, {"datasets": ("planes",)}):
        with pytest.raises(OutOfScope):
            check(World(bend={"commitment": orders.change(**change)}))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("grant:ewr", ("ewr-1",)),  # 1 of 2 that are needed
        ("grant:ewr", ("ewr-1", "jfk")),
        ("grant:jfk", ("hub",)),
        ("grant:jfk", ("node-jfk",)),
        ("record:lga", ("lga-1-stolen",)),
        ("commitment", ("hub",)),  # an operator with keys signs itself
        ("permit", ("ewr-1",)),
    ],
)
def test_only_the_right_keys_sign(name: str, keys: tuple[str, ...]) -> None:
    with pytest.raises(BadSignature):
        check(World(signer={name: tuple(map(key, keys))}))


def test_a_token_operator_is_attested_by_the_hub() -> None:
    world = World(bend={"commitment": orders.change(operator="op-token")}, signer={"commitment": (key("hub"),)})
    roster = world.trust.rosters().update(world.roster)
    assert verify_commitment(world.commitment, roster).signers == {key("hub").public}


def test_unknown_parties_are_named() -> None:
    with pytest.raises(UnknownSigner, match="operator"):
        check(World(bend={"commitment": orders.change(operator="stranger")}))
    with pytest.raises(UnknownSigner, match="owner"):
        check(World(bend={"grant:jfk": orders.change(owner="stranger")}))


def test_a_grant_is_only_for_runs_that_its_own_node_takes_part_in() -> None:
    world = World(bend={"grant:jfk": orders.change(participants=participants(("node-ewr", "node-lga")))})
    with pytest.raises(BadDocument, match="none of the participants"):
        check(world)


def test_a_permit_of_another_roster_and_off_clocks() -> None:
    world = World()
    other = world.trust.rosters().update(orders.roster(version=2).sign(key("root-1"), key("root-2")))
    with pytest.raises(BadDocument, match="another roster"):
        verify_permit(world.permit, other)
    minute = timedelta(minutes=1)
    check(world, NOW - 4 * minute)
    for now in (NOW - 6 * minute, NOW + 10 * minute):
        with pytest.raises(Expired):
            check(world, now)
