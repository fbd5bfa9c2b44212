"""Conditions: unknown is never shown as good, and every gap has its reason."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.asset import (
    Asset,
    AssetKind,
    Component,
    ComponentKind,
    Identity,
    Reading,
    Report,
)
from iolaus.model.condition import (
    Sight,
    conditions,
    effective,
    endpoint_conditions,
    fields_known,
    last_seen,
    leak_verdict,
    say_age,
)
from iolaus.model.endpoint import Condition, EndpointStatus, Reach
from iolaus.model.fact import Conflict, Health, Known, PowerState, Unknown

NOW = 1_700_000_000.0
HOT = frozenset({"/redfish/v1/Systems/1", "/x"})


def sight(
    reach: Reach | None = Reach.REACHABLE,
    *,
    now: float = NOW,
    skew_s: float | None = 1.0,
    partial: dict[str, str] | None = None,
) -> Sight:
    status = reach and EndpointStatus(
        address="https://bmc",
        reach=reach,
        at=NOW,
        since=NOW - 40,
        latency_ms=41.0,
        last_error="" if reach is Reach.REACHABLE else "no answer within 5 s",
    )
    report = Report(
        endpoint="https://bmc",
        driver="redfish",
        redfish_version="1.20.0",
        observed_at=NOW,
        assets=(),
        clock_skew_s=skew_s,
        partial=partial or {},
    )
    return Sight(now=now, interval_s=10.0, status=status or None, report=report, hot=HOT)


def node(
    health: Health | None = Health.OK, *, at: float = NOW, kind: AssetKind = AssetKind.NODE
) -> Asset:
    return Asset(
        key="Systems/1",
        kind=kind,
        resources=("/redfish/v1/Systems/1",),
        identity=Identity(serial="S1"),
        power_state=Known(value=PowerState.ON, at=at),
        health=Known(value=health, at=at) if health else Unknown(reason="not reported", at=at),
        observed_at=at,
    )


def leak(status: str | None, *, at: float = NOW, value: float | None = None) -> Reading:
    return Reading(
        name="tray rope",
        asset="Systems/1",
        uri="/x",
        quantity="Leak",
        unit="",
        value=value,
        at=at,
        status=status,
        role="leak",
    )


def by_type(found: tuple[Condition, ...]) -> dict[str, Condition]:
    return {each.type: each for each in found}


def test_a_healthy_node() -> None:
    found = by_type(conditions(node(), sight()))
    assert {t: c.status for t, c in found.items()} == {
        "Reachable": "True",
        "Fresh": "True",
        "Healthy": "True",
        "PoweredOn": "True",
        "IdentityKnown": "True",
        "ClockSane": "True",
        "InventoryComplete": "True",
    }
    assert found["Reachable"].message == "answered in 41 ms"


@pytest.mark.parametrize("reach", [r for r in Reach if r is not Reach.REACHABLE] + [None])
def test_who_does_not_answer_is_unknown_with_a_reason(reach: Reach | None) -> None:
    found = by_type(conditions(node(), sight(reach)))
    for each in ("Healthy", "PoweredOn"):
        assert found[each].status == "Unknown"
        assert found[each].message
    assert found["Reachable"].status == ("False" if reach else "Unknown")
    assert found["Reachable"].next_step


def test_a_value_lasts_two_polls() -> None:
    asset = node()
    assert by_type(conditions(asset, sight(now=NOW + 20)))["Healthy"].status == "True"
    found = by_type(conditions(asset, sight(now=NOW + 20.5)))
    assert found["Healthy"].status == "Unknown"
    assert found["Fresh"].status == "False"
    assert found["Fresh"].since == NOW + 20
    assert "20 s ago" in found["Healthy"].message


def test_what_is_not_in_the_hot_set_lasts_two_inventories() -> None:
    asset = msgspec.structs.replace(node(), resources=("/redfish/v1/Chassis/9",))
    assert by_type(conditions(asset, sight(now=NOW + 1800)))["Healthy"].status == "True"
    assert by_type(conditions(asset, sight(now=NOW + 1801)))["Healthy"].status == "Unknown"


@given(st.floats(0, 1e6), st.sampled_from([*Reach, None]))
def test_old_or_blind_is_never_known(age_s: float, reach: Reach | None) -> None:
    fact = effective(Known(value=Health.OK, at=NOW - age_s), sight(reach))
    is_good = reach is Reach.REACHABLE and age_s <= 20
    assert isinstance(fact, Known) == is_good
    assert isinstance(fact, Known) or fact.reason  # type: ignore[union-attr]


def test_a_conflict_stays_a_conflict() -> None:
    fact = Conflict(values=(Health.OK, Health.CRITICAL), at=NOW)
    assert effective(fact, sight()) is fact
    asset = Asset(
        key="k",
        kind=AssetKind.CHASSIS,
        resources=("/c",),
        identity=Identity(),
        power_state=Unknown(reason="not reported", at=NOW),
        health=fact,
        observed_at=NOW,
        gaps={"serial": "blank"},
    )
    found = by_type(conditions(asset, sight()))
    assert (found["Healthy"].status, found["Healthy"].reason) == ("Unknown", "Conflict")
    assert found["IdentityKnown"].status == "Unknown"
    assert found["FieldsKnown"].message == "serial: blank"
    assert "PoweredOn" not in found
    assert last_seen(asset) == NOW


@pytest.mark.parametrize(
    ("health", "status"),
    [(Health.WARNING, "False"), (Health.CRITICAL, "False"), (None, "Unknown")],
)
def test_health(health: Health | None, status: str) -> None:
    assert by_type(conditions(node(health), sight()))["Healthy"].status == status


def test_identity_conflicts_are_said() -> None:
    found = by_type(conditions(node(), sight(), conflict="also claimed by https://other"))
    assert found["IdentityKnown"].reason == "Conflict"


@pytest.mark.parametrize(
    ("skew_s", "status"), [(None, "Unknown"), (-60.0, "True"), (61.0, "False"), (-43200.0, "False")]
)
def test_clock(skew_s: float | None, status: str) -> None:
    assert by_type(conditions(node(), sight(skew_s=skew_s)))["ClockSane"].status == status


def test_parts_that_were_not_read_are_named() -> None:
    parts = {"/redfish/v1/Chassis/1": "500", "/redfish/v1/X": "time-out"}
    found = by_type(conditions(node(), sight(partial=parts)))["InventoryComplete"]
    assert found.status == "False"
    assert found.message == "/redfish/v1/Chassis/1: 500 (and 1 more)"


def leak_free(*readings: Reading, reach: Reach = Reach.REACHABLE, now: float = NOW) -> Condition:
    return by_type(conditions(node(), sight(reach, now=now), readings=readings))["LeakFree"]


def test_leaks() -> None:
    assert leak_free(leak("OK")).status == "True"
    assert leak_free(leak("OK"), leak("Critical")).status == "False"
    assert leak_free(leak(None)).status == "Unknown"
    assert leak_free(leak("OK"), reach=Reach.UNREACHABLE).status == "Unknown"
    assert leak_free(leak("OK"), now=NOW + 30).status == "Unknown"


def test_losing_the_detector_never_clears_a_leak() -> None:
    gone = leak_free(leak("Critical"), reach=Reach.UNREACHABLE, now=NOW + 3600)
    assert gone.status == "False"
    assert "last said" in gone.message


def test_a_detector_without_a_reading_is_not_dry() -> None:
    part = Component(
        name="rope", kind=ComponentKind.LEAK_DETECTOR, asset="Systems/1", uri="/d", health="OK"
    )
    found = by_type(conditions(node(), sight(), components=[part]))
    assert found["LeakFree"].status == "Unknown"


@pytest.mark.parametrize(
    ("status", "value", "verdict"),
    [("OK", None, False), ("Critical", 0.0, True), (None, 0.0, False), (None, 1.0, True)],
)
def test_leak_verdict(status: str | None, value: float | None, verdict: bool) -> None:
    assert leak_verdict(leak(status, value=value)) is verdict


def test_endpoint_conditions_before_anything_was_read() -> None:
    found = by_type(endpoint_conditions(Sight(now=NOW, interval_s=10.0)))
    assert {c.status for c in found.values()} == {"Unknown"}
    assert by_type(endpoint_conditions(sight()))["Fresh"].status == "True"


@pytest.mark.parametrize(
    ("age_s", "text"), [(-1, "0 s"), (41, "41 s"), (180, "3 min"), (7300, "2 h"), (4e5, "5 d")]
)
def test_ages_in_words(age_s: float, text: str) -> None:
    assert say_age(age_s) == text


@pytest.mark.parametrize(
    ("gaps", "status"),
    [
        ({"asset_tag": "not reported"}, "True"),
        ({"asset_tag": "not reported", "serial": "blank"}, "False"),
        ({"uuid": "not reported"}, "True"),
        ({"counts.psu": "HTTP 500"}, "False"),
    ],
)
def test_only_what_an_operator_needs_makes_fields_unknown(
    gaps: dict[str, str], status: str
) -> None:
    told = fields_known(gaps, kind=AssetKind.CHASSIS)
    assert told.status == status
    assert all(f"{name}: {why}" in told.message for name, why in gaps.items())


def test_a_host_is_wanted_to_tell_its_uuid() -> None:
    assert fields_known({"uuid": "a placeholder"}, kind=AssetKind.NODE).status == "False"
