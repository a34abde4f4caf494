"""A permit stays within grants and commitment, or the first difference is named. Each case bends one bound thing."""

from datetime import UTC, datetime, timedelta

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

OTHER = digest(b"another")


def check(world, now=None):
    roster = world.trust.rosters().update(world.roster)
    permit = verify_permit(world.permit, roster, now)
    grants = [verify_grant(item, roster, now) for item in world.grants]
    commitment = verify_commitment(world.commitment, roster, now)
    records = tuple(verify_dataset_record(record, roster) for record in world.records)
    status = verify_status(world.status, roster)
    check_basis(Basis(permit, tuple(grants), commitment, records, status, roster))


def test_the_unbent_world_passes(worlds):
    check(worlds.World(), worlds.NOW)


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
def test_a_grant_that_binds_another_thing_is_not_covered(worlds, field, value):
    with pytest.raises(OutOfScope) as refused:
        check(worlds.World(bend={"grant:jfk": worlds.change(**{field: value})}))
    assert refused.value.field == field


def test_participants_their_order_owners_and_keys_are_bound(worlds):
    ewr, jfk, lga = worlds.participants(worlds.NODES)
    for bound in (
        (jfk, ewr, lga),
        (ewr, jfk),
        (ewr, jfk, lga.model_copy(update={"key": worlds.key("another").public.text})),
        (ewr, jfk, lga.model_copy(update={"owner": "ewr"})),
    ):
        with pytest.raises(OutOfScope) as refused:
            check(worlds.World(bend={"grant:jfk": worlds.change(participants=bound)}))
        assert refused.value.field == "participants"


def test_a_new_roster_with_the_same_keys_voids_no_grant(worlds):
    """The grants were signed under version 1; the permit is issued under version 2, in which a witness is another."""
    witness = WitnessEntry(name="witness-9", key=worlds.key("witness-9").public.text)
    bend = {"roster": worlds.change(version=2, witnesses=(witness,))}
    old, new = worlds.World(), worlds.World(bend=bend)
    assert [item.digest for item in old.grants] == [item.digest for item in new.grants]
    assert old.roster.digest != new.roster.digest
    check(new)


def test_a_node_key_that_changed_in_the_roster_voids_the_grants(worlds):
    start, end = worlds.roster().issued, worlds.roster().expires
    node = worlds.certify_node(
        "lga", "node-lga", worlds.key("new").public, worlds.seal("new").public, start, end, worlds.owner_keys("lga")
    )
    first, second, third = worlds.roster().owners
    owners = (first, second, third.model_copy(update={"nodes": (node,)}))
    with pytest.raises(OutOfScope, match="node-lga has another owner or key"):
        check(worlds.World(bend={"roster": worlds.change(owners=owners)}))


def test_output_rule_and_profile_are_bound(worlds):
    for change in ({"version": 2}, {"digest": OTHER}, {"form": "model"}):
        rule = worlds.RULE.model_copy(update=change)
        with pytest.raises(OutOfScope, match="profile") as refused:
            check(worlds.World(bend={"grant:lga": worlds.change(output=rule)}))
        assert refused.value.field == "output"


@pytest.mark.parametrize("allowed", [(2014,), ("2013",), (True,), (2012, 2014)])
def test_parameter_values_and_types_are_bound(worlds, allowed):
    rule = (ParameterRule(name="year", allowed=allowed),)
    with pytest.raises(OutOfScope, match="year"):
        check(worlds.World(bend={"grant:ewr": worlds.change(parameters=rule)}))


def test_true_is_not_one():
    assert not ParameterRule(name="x", allowed=(1,)).permits(True)
    assert ParameterRule(name="x", allowed=(True, 2)).permits(2)


def test_missing_and_extra_parameters(worlds):
    for rules in ((), (ParameterRule(name="year", allowed=(2013,)), ParameterRule(name="month", allowed=(1,)))):
        with pytest.raises(OutOfScope, match="other parameters"):
            check(worlds.World(bend={"grant:ewr": worlds.change(parameters=rules)}))


def scope(worlds, **fields):
    plain = {"dataset": "flights", "columns": ("arr_delay", "carrier")}
    plain["version"] = ExactVersion(commitment=worlds.record("jfk").version)
    return worlds.change(data=(DataScope(**(plain | fields)),))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dataset": "planes"}, "dataset flights"),
        ({"columns": ("arr_delay",)}, "column carrier"),
        ({"version": ExactVersion(commitment=OTHER)}, "changed since the grant"),
    ],
)
def test_data_columns_and_exact_version_are_bound(worlds, fields, words):
    with pytest.raises(OutOfScope, match=words):
        check(worlds.World(bend={"grant:jfk": scope(worlds, **fields)}))


def test_a_refresh_of_the_data_voids_an_exact_grant(worlds):
    """The owner registers a new version, the hub's permit names it, the grants are the old ones."""
    fresh = digest(b"fresh version")
    use = lambda permit: permit.model_copy(  # noqa: E731
        update={
            "data": tuple(u.model_copy(update={"version": fresh}) if u.node == "node-jfk" else u for u in permit.data)
        }
    )
    bend = {"record:jfk": worlds.change(version=fresh, sequence=2), "permit": use}
    with pytest.raises(OutOfScope, match="changed since the grant"):
        check(worlds.World(bend=bend))


@pytest.mark.parametrize(
    ("change", "words"),
    [({}, None), ({"schema_digest": OTHER}, "schema"), ({"frequency": "monthly"}, "frequency"),
     ({"until": datetime(2013, 6, 1, tzinfo=UTC)}, "beyond the end")],
)  # fmt: skip
def test_a_series_binds_schema_frequency_and_end(worlds, change, words):
    plain = {"schema_digest": digest(b"schema"), "frequency": "yearly", "until": datetime(2014, 1, 1, tzinfo=UTC)}
    world = worlds.World(bend={"grant:jfk": scope(worlds, version=VersionSeries(**(plain | change)))})
    if words is None:
        check(world)
    else:
        with pytest.raises(OutOfScope, match=words):
            check(world)


def test_the_version_used_must_be_registered_by_its_owner(worlds):
    world = worlds.World()
    world.records = world.records[1:]
    with pytest.raises(OutOfScope, match="no record by ewr"):
        check(world)


def test_every_owner_grants_once(worlds):
    for grants in (lambda g: g[:2], lambda g: [*g, g[0]], lambda g: [g[0], g[0], g[2]]):
        world = worlds.World()
        world.grants = grants(world.grants)
        with pytest.raises(OutOfScope, match="grant"):
            check(world)


def test_periods_are_judged_at_the_permit_time(worlds):
    past = Period(start=worlds.NOW - 9 * worlds.DAY, end=worlds.NOW)
    for name in ("grant:jfk", "commitment"):
        with pytest.raises(Expired, match="valid from"):
            check(worlds.World(bend={name: worlds.change(period=past)}))


def test_the_commitment_lists_operator_scenario_and_data(worlds):
    for change in ({"scenario": "another"}, {"datasets": ("planes",)}):
        with pytest.raises(OutOfScope):
            check(worlds.World(bend={"commitment": worlds.change(**change)}))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("grant:ewr", ("ewr-1",)),  # 1 of 2 that are needed
        ("grant:ewr", ("ewr-1", "jfk-1")),
        ("grant:jfk", ("hub",)),
        ("grant:jfk", ("node-jfk",)),
        ("record:lga", ("lga-1-stolen",)),
        ("commitment", ("hub",)),  # an operator with keys signs itself
        ("permit", ("ewr-1",)),
    ],
)
def test_only_the_right_keys_sign(worlds, name, keys):
    with pytest.raises(BadSignature):
        check(worlds.World(signer={name: tuple(map(worlds.key, keys))}))


def test_a_token_operator_is_attested_by_the_hub(worlds):
    world = worlds.World(
        bend={"commitment": worlds.change(operator="op-token")}, signer={"commitment": (worlds.key("hub"),)}
    )
    roster = world.trust.rosters().update(world.roster)
    assert verify_commitment(world.commitment, roster).signers == {worlds.key("hub").public}


def test_unknown_parties_are_named(worlds):
    with pytest.raises(UnknownSigner, match="operator"):
        check(worlds.World(bend={"commitment": worlds.change(operator="stranger")}))
    with pytest.raises(UnknownSigner, match="owner"):
        check(worlds.World(bend={"grant:jfk": worlds.change(owner="stranger")}))


def test_a_grant_is_only_for_runs_that_its_own_node_takes_part_in(worlds):
    world = worlds.World(bend={"grant:jfk": worlds.change(participants=worlds.participants(("node-ewr", "node-lga")))})
    with pytest.raises(BadDocument, match="none of the participants"):
        check(world)


def test_a_permit_of_another_roster_and_off_clocks(worlds):
    world = worlds.World()
    other = world.trust.rosters().update(worlds.roster(version=2).sign(worlds.key("root-1"), worlds.key("root-2")))
    with pytest.raises(BadDocument, match="another roster"):
        verify_permit(world.permit, other)
    minute = timedelta(minutes=1)
    check(world, worlds.NOW - 4 * minute)
    for now in (worlds.NOW - 6 * minute, worlds.NOW + 10 * minute):
        with pytest.raises(Expired):
            check(world, now)
