"""What a controller sends by itself: which detectors are meant, and what a report renews."""

from __future__ import annotations

import pytest

from iolaus.energy.ports import Grade
from iolaus.energy.told import leak_word, metered, metered_leaks
from iolaus.model.asset import Reading

ROOT = "/redfish/v1/Chassis/C/ThermalSubsystem/LeakDetection/LeakDetectors"
DETECTORS = {"n1/Cold": f"{ROOT}/Cold", "n1/Manifold": f"{ROOT}/Manifold"}
CRITICAL = "Environmental.1.4.LeakDetectedCritical"
POWER = "/redfish/v1/Chassis/C/Sensors/Power"


@pytest.mark.parametrize(
    ("message_id", "message", "origin", "meant"),
    [
        (CRITICAL, "wet", f"{ROOT}/Manifold", {"n1/Manifold"}),
        (CRITICAL, "wet", f"{ROOT}/Manifold#/DetectorState", {"n1/Manifold"}),
        (CRITICAL, "Leak detector 'Cold' reports a critical level leak.", "", {"n1/Cold"}),
        (CRITICAL, "Leak", "", set(DETECTORS)),
        ("ResourceEvent.1.4.ResourceChanged", "", f"{ROOT}/Cold", {"n1/Cold"}),
        ("ResourceEvent.1.4.ResourceChanged", "", f"{ROOT}/New", set(DETECTORS)),
    ],
)
def test_an_event_of_a_leak_names_its_detectors(
    message_id: str, message: str, origin: str, meant: set[str]
) -> None:
    word = leak_word(DETECTORS, message_id=message_id, message=message, origin=origin)
    assert word is not None
    assert set(word.detectors) == meant
    assert word.grade is (Grade.CRITICAL if message_id == CRITICAL else None)


def test_other_events_and_machines_without_detectors_lead_nowhere() -> None:
    words = {"message_id": "Power.1.2.Tripped", "message": "off", "origin": POWER}
    assert leak_word(DETECTORS, **words) is None
    assert leak_word({}, message_id=CRITICAL, message="", origin="") is None


def reading(role: str, uri: str) -> Reading:
    return Reading(name="x", asset="a", uri=uri, quantity="", unit="", value=1.0, at=0.0, role=role)


@pytest.mark.parametrize(
    ("uri", "text", "value"),
    [
        (f"{POWER}/Reading", "7.5", [7.5]),
        (f"{POWER}#/Reading", "7.5", [7.5]),
        (f"{POWER}/Reading", "", [None]),
        (f"{POWER}/Reading", "nan", [None]),
        (f"{POWER}/PeakReading", "9", []),
        (f"{ROOT}/Cold/Reading", "9", []),
        ("/", "9", []),
    ],
)
def test_a_metric_renews_a_known_reading(uri: str, text: str, value: list[float | None]) -> None:
    known = [reading("node_power", POWER), reading("leak", f"{ROOT}/Cold")]
    found = list(metered(known, [(uri, text)], at=3.0))
    assert [each.value for each in found] == value
    assert all(each.at == 3.0 and bool(each.reason) is (each.value is None) for each in found)


def test_a_metric_of_a_detector_that_is_not_dry_leads_to_it() -> None:
    values = [(f"{ROOT}/Cold/DetectorState", "Critical"), (f"{ROOT}/Manifold#/DetectorState", "OK")]
    assert set(metered_leaks(DETECTORS, values)) == {"n1/Cold"}
    assert set(metered_leaks(DETECTORS, [(f"{ROOT}/Manifold#/DetectorState", "")])) == {
        "n1/Manifold"
    }
