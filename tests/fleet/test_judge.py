"""Judging: departures only, unknown for itself, and each with its reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.judge import Judge, say
from iolaus.model.desired import Baseline
from iolaus.model.drift import NodeDrift, Outcome
from tests.fleet.build import baseline, firmware, manager, node, setting

NOW = 1_700_000_000.0


def judged(facts: NodeFacts, *baselines: Baseline, now: float = NOW) -> NodeDrift:
    found = Judge(baselines).judge(facts, now=now)
    assert found is not None
    return found


def items(facts: NodeFacts, *baselines: Baseline) -> list[tuple[str, str, str | None, str]]:
    return [
        (i.subject, i.outcome.value, i.applied, i.reason) for i in judged(facts, *baselines).items
    ]


def wants(version: str, component: str = "bmc", **more: Any) -> Baseline:
    match = {"component": component}
    return baseline(firmware={"components": [{"match": match, "version": version, **more}]})


def test_a_node_that_no_baseline_selects_is_not_judged() -> None:
    assert Judge([baseline(labels={"model": "m2"})]).judge(node(), now=NOW) is None
    empty = baseline()
    assert Judge([empty]).judge(node(fields={"name": "n1", "model": None}), now=NOW) is None


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({"matchLabels": {"rack": "R1"}}, True),
        ({"matchLabels": {"rack": "r1", "model": "m2"}}, False),
        ({"expression": "rack=r1,vendor!=acme"}, False),
        ({"expression": "n[1-4]"}, True),
        ({}, False),
    ],
)
def test_selectors(selector: dict[str, Any], selected: bool) -> None:
    base = baseline(selector=selector)
    assert (Judge([base]).judge(node(), now=NOW) is not None) is selected


def test_what_is_right_is_counted_and_not_listed() -> None:
    found = judged(node(), wants("1.7"))
    assert (found.items, found.compared, found.state) == ((), 1, "in-sync")


def test_a_wrong_version_is_drift_with_both_versions() -> None:
    (item,) = judged(node(), wants("1.8")).items
    assert (item.subject, item.outcome) == ("firmware/bmc", Outcome.DRIFTED)
    assert (item.desired, item.applied, item.part, item.uri) == ("1.8", "1.7", "BMC", "/fw/BMC")


def test_a_version_that_cannot_be_ordered_is_unknown_until_its_scheme_is_named() -> None:
    facts = node(firmware=(firmware("CPLD", "0.1C", kind="cpld"),))
    (item,) = judged(facts, wants(">=0.1B", "cpld")).items
    assert item.outcome is Outcome.UNKNOWN
    assert "name its scheme" in item.reason
    assert judged(facts, wants(">=0.1B", "cpld", scheme="hex")).state == "in-sync"
    told = node(firmware=(firmware("CPLD", "0.1C", kind="cpld", scheme="hex"),))
    assert judged(told, wants(">=0.1D", "cpld")).state == "drifted"


def test_no_version_no_component_and_an_unread_inventory_are_three_things() -> None:
    silent = node(firmware=(firmware("BMC", None, kind="bmc"),))
    assert items(silent, wants("1.8")) == [
        ("firmware/bmc", "unknown", None, "the device does not say its version")
    ]
    assert items(node(), wants("1", "nic")) == [
        ("firmware/nic", "absent", None, "no such component here")
    ]
    unread = node(partial={"/redfish/v1/UpdateService/FirmwareInventory": "HTTP 500"})
    assert items(unread, wants("1", "nic")) == [("firmware/nic", "unknown", None, "HTTP 500")]
    assert judged(node(), wants("1", "nic")).state == "in-sync"


def test_the_other_bank_is_never_what_is_meant() -> None:
    facts = node(
        firmware=(
            firmware("BMC", "1.8", kind="bmc"),
            firmware("Backup_BMC", "1.7", kind="bmc", bank="backup"),
        )
    )
    assert judged(facts, wants("1.8")).state == "in-sync"


def test_what_is_staged_waits_for_a_reset() -> None:
    facts = node(
        firmware=(
            firmware("BMC", "1.7", kind="bmc"),
            firmware("BMC_staged", "1.8", kind="bmc", bank="staged"),
        )
    )
    (item,) = judged(facts, wants("1.8")).items
    assert (item.outcome, item.staged) == (Outcome.STAGED, "1.8")


@pytest.mark.parametrize(
    ("value", "staged", "outcome"),
    [
        ("Disabled", None, None),
        ("Enabled", None, "drifted"),
        ("Enabled", "Disabled", "staged"),
        ("Disabled", "Enabled", "drifted"),
        (None, None, "unknown"),
    ],
)
def test_desired_applied_and_staged_are_compared(
    value: str | None, staged: str | None, outcome: str | None
) -> None:
    facts = node(settings=(setting("Snc", value, staged=staged),))
    found = judged(facts, baseline(bios={"raw": {"Snc": "Disabled"}})).items
    assert [item.outcome.value for item in found] == ([outcome] if outcome else [])


def test_a_normalised_name_is_compared_in_the_make_s_own_words() -> None:
    words = (("false", "Off"), ("true", "On"))
    facts = node(settings=(setting("LogicalProc", "Off", normal="smt", words=words),))
    base = baseline(bios={"normalized": {"smt": True}})
    (item,) = judged(facts, base).items
    assert (item.subject, item.desired, item.applied) == ("bios/smt", "On", "Off")
    assert item.part == "LogicalProc"
    assert items(node(), base) == [("bios/smt", "unknown", None, "this make has no such name")]


def test_settings_of_the_manager() -> None:
    base = baseline(
        bmc={
            "ntp": ["10.0.0.1"],
            "services": {"ipmiOverLan": False, "ssh": True},
            "accounts": {"only": ["root", "admin"]},
        },
        security={"secureBoot": "required"},
    )
    facts = node(
        manager=(
            manager("ntp.servers", ("10.0.0.1",)),
            manager("ntp.enabled", True),
            manager("services.ipmiOverLan", True),
            manager("accounts", ("root", "admin")),
            manager("secureBoot.enabled", None, reason="HTTP 500"),
        )
    )
    assert items(facts, base) == [
        ("bmc/services.ipmiOverLan", "drifted", "true", ""),
        ("bmc/secureBoot.enabled", "unknown", None, "HTTP 500"),
        ("bmc/services.ssh", "unknown", None, "the device does not show it"),
    ]


def test_a_setting_that_two_managers_show_is_judged_at_both() -> None:
    base = baseline(bmc={"ntp": ["10.0.0.1"]})
    one, other = "/redfish/v1/Managers/1", "/redfish/v1/Managers/2"
    servers = manager("ntp.servers", ("10.0.0.1",))
    wrong = replace(servers, value=("10.9.9.9",), uri=other)
    enabled = manager("ntp.enabled", True)
    for pair in ((servers, wrong), (wrong, servers)):
        (item,) = judged(node(manager=(*pair, enabled)), base).items
        assert (item.subject, item.uri, item.applied) == ("bmc/ntp.servers", other, "10.9.9.9")
    both = node(manager=(replace(wrong, uri=one), wrong, enabled))
    assert [item.uri for item in judged(both, base).items] == [one, other]


def test_a_node_that_is_not_heard_is_unknown_as_a_whole() -> None:
    found = judged(node(blind="unreachable for 3 h"), wants("1.8"))
    assert [(i.subject, i.outcome, i.reason) for i in found.items] == [
        ("*", Outcome.UNKNOWN, "unreachable for 3 h")
    ]
    assert found.state == "unknown"


def excused(expires: str) -> Baseline:
    return baseline(
        firmware={"components": [{"match": {"component": "bmc"}, "version": "1.8"}]},
        exceptions=[
            {
                "selector": {"matchLabels": {"rack": "r1"}},
                "items": ["firmware/*"],
                "owner": "ana",
                "expires": expires,
                "reason": "lab",
            }
        ],
    )


def test_an_exception_has_an_owner_and_ends() -> None:
    (item,) = judged(node(), excused("2023-11-15")).items
    assert (item.outcome, item.reason) == (Outcome.EXCUSED, "ana until 2023-11-15: lab")
    (item,) = judged(node(), excused("2023-11-13")).items
    assert (item.outcome, item.reason) == (
        Outcome.DRIFTED,
        "the exception of ana ended on 2023-11-13",
    )
    (item,) = judged(node(labels={"rack": "r2"}), excused("2023-11-15")).items
    assert item.outcome is Outcome.DRIFTED


def test_two_baselines_that_want_different_things_are_a_conflict() -> None:
    a = baseline("a", bios={"raw": {"Snc": "Disabled"}})
    b = baseline("b", bios={"raw": {"Snc": "Enabled"}})
    found = judged(node(settings=(setting("Snc", "Disabled"),)), a, b)
    assert found.state == "conflict"
    clash = next(i for i in found.items if i.outcome is Outcome.CONFLICT)
    assert (clash.subject, clash.desired, clash.reason) == (
        "bios/Snc",
        "Enabled",
        "a wants Disabled",
    )


VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4)


@given(st.dictionaries(st.sampled_from("abcd"), VALUES), st.dictionaries(
    st.sampled_from("abcd"), VALUES.filter(lambda v: v is not None), min_size=1))  # fmt: skip
def test_every_wanted_value_is_right_wrong_or_unknown(
    shown: dict[str, Any], wanted: dict[str, Any]
) -> None:
    facts = node(settings=tuple(setting(name, value) for name, value in shown.items()))
    found = judged(facts, baseline(bios={"raw": wanted}))
    told = {item.subject.removeprefix("bios/"): item.outcome for item in found.items}
    for name, want in wanted.items():
        if shown.get(name) is None:
            assert told[name] is Outcome.UNKNOWN
        elif say(shown[name]) == say(want):
            assert name not in told
        else:
            assert told[name] is Outcome.DRIFTED
    assert found.compared == len(wanted)


def test_the_digest_follows_what_is_compared_and_nothing_else() -> None:
    a = node()
    assert a.digest() == node(observed_at=2000.0).digest()
    assert a.digest() != node(firmware=(firmware("BMC", "1.8", kind="bmc"),)).digest()
    assert a.digest() != node(settings=(setting("Snc", "On"),)).digest()
    assert a.digest() != node(labels={"rack": "r2"}).digest()
