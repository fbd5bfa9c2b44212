"""Whatever stands where a value belongs: the extractions never raise, and keep their rules.

Real payloads (small ones, of every kind the extractions read) are mutated: any value may become
any other JSON value, any key may vanish, numbers grow beyond all sense.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.drivers.redfish.capabilities import read_capabilities
from iolaus.drivers.redfish.certificates import read_certificates
from iolaus.drivers.redfish.driver import report
from iolaus.drivers.redfish.events import parse_events, parse_subscription, parse_text
from iolaus.drivers.redfish.harvest import ROOT, Harvest
from iolaus.drivers.redfish.hot import read_hot
from iolaus.drivers.redfish.limits import read_limits
from iolaus.drivers.redfish.logs import entries_of, in_order, parse_entry, read_logs
from iolaus.drivers.redfish.sensors import read_readings
from iolaus.drivers.redfish.settings import read_settings
from iolaus.kernel.errors import IolausError
from iolaus.model.asset import AssetKind
from tests.drivers.redfish.build import BOX, HOST, link, sensor, typed
from tests.drivers.redfish.fake import FakeDevice
from tests.examples import examples

GPU = f"{HOST}/Processors/GPU"
EXCERPT = {"Reading": 20, "DataSourceUri": f"{BOX}/Sensors/A", "DeviceName": "A", "SpeedRPM": 9}
TREE: dict[str, Any] = {
    ROOT: typed(
        "ServiceRoot",
        Links={"Sessions": link("/s")},
        ProtocolFeaturesSupported={"ExpandQuery": {"NoLinks": True}, "SelectQuery": True},
    ),
    HOST: typed(
        "ComputerSystem",
        PowerState="On",
        Links={"Chassis": [link(BOX)]},
        Boot={"BootSourceOverrideTarget": "None"},
        SerialConsole={"SSH": {"ServiceEnabled": True}},
        TrustedModules=[{"InterfaceType": "TPM2_0"}],
        Actions={"#ComputerSystem.Reset": {"target": "/x", "R@Redfish.AllowableValues": ["On"]}},
    ),
    BOX: typed("Chassis", Links={"Processors": [link(GPU)]}),
    GPU: typed("Processor", ProcessorType="GPU"),
    f"{BOX}/Sensors/A": sensor(
        "A",
        "Temperature",
        20,
        "Cel",
        PhysicalContext="CPU",
        RelatedItem=[link(GPU)],
        Thresholds={"UpperCritical": {"Reading": 90}},
        ReadingRangeMin=-5,
    ),
    f"{BOX}/EnvironmentMetrics": typed(
        "EnvironmentMetrics",
        PowerWatts=EXCERPT,
        FanSpeedsPercent=[EXCERPT],
        PowerLimitWatts={"SetPoint": 5, "AllowableMax": 9},
        PolyPhaseVoltage={"Line1": {"Line2": {"Reading": 3}}},
    ),
    f"{BOX}/Thermal": typed(
        "Thermal",
        Temperatures=[{"Name": "T", "ReadingCelsius": 3, "UpperThresholdCritical": 8}],
        Fans=[{"FanName": "F", "Reading": 3, "ReadingUnits": "RPM"}],
    ),
    f"{BOX}/Power": typed(
        "Power",
        PowerControl=[{"PowerConsumedWatts": 3, "PowerLimit": {"LimitInWatts": 9}}],
        Voltages=[{"ReadingVolts": 3}],
        PowerSupplies=[{"Name": "P", "LineInputVoltage": 230, "PowerOutputWatts": 4}],
    ),
    f"{GPU}/ProcessorMetrics": typed("ProcessorMetrics", TemperatureCelsius=3),
    f"{BOX}/Controls/P": typed(
        "Control", ControlType="Power", SetPoint=3, SetPointUnits="W", Sensor=EXCERPT
    ),
    f"{BOX}/LeakDetectors/1": typed("LeakDetector", Name="L", DetectorState="OK"),
    f"{BOX}/LeakDetection": typed(
        "LeakDetection",
        LeakDetectorGroups=[{"Detectors": [{"DataSourceUri": "/l", "DetectorState": "OK"}]}],
    ),
    f"{HOST}/Bios": typed(
        "Bios",
        Attributes={"A": "On", "B": 2},
        **{"@Redfish.Settings": {"SettingsObject": link(f"{HOST}/Bios/Settings")}},
    ),
    f"{HOST}/Bios/Settings": typed("Bios", Attributes={"A": "Off"}),
    f"{ROOT}/Certificates/1": typed(
        "Certificate",
        CertificateString="-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----",
        CertificateType="PEM",
        Subject={"CommonName": "x"},
        Fingerprint="ab",
        FingerprintHashAlgorithm="SHA256",
    ),
    f"{ROOT}/LogServices/1": typed("LogService", Id="L", Entries=link("/e")),
}
ENTRY = {
    "Id": "7",
    "Message": "text",
    "Severity": "OK",
    "Created": "2026-05-01T10:00:00Z",
    "MessageArgs": ["a"],
    "Links": {"OriginOfCondition": link("/o")},
}
EVENT = {"Events": [ENTRY | {"EventId": "1", "EventTimestamp": "2026-05-01T10:00:00Z"}]}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 255, 65_535, 10**400, -(10**400)])
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["\x1b[0m", "N/A", "\ud800", ROOT, "Absent", "#", "/", "0x10", "1e999"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Reading", "DataSourceUri", "@odata.id", "Members", "State", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    found = [path] if path else []
    pairs: list[tuple[Any, Any]] = list(value.items()) if isinstance(value, dict) else []
    pairs += enumerate(value) if isinstance(value, list) else []
    for key, each in pairs:
        found += places(each, (*path, key))
    return found


def put(tree: Any, path: tuple[Any, ...], value: Any, *, drop: bool) -> None:
    """Replace or remove what stands at a place, if an earlier change left it there."""
    for step in path[:-1]:
        if not isinstance(tree, dict | list):
            return
        if isinstance(tree, list) != isinstance(step, int):
            return
        if step not in (tree if isinstance(tree, dict) else range(len(tree))):
            return
        tree = tree[step]
    last = path[-1]
    if isinstance(tree, dict) and isinstance(last, str):
        if drop:
            tree.pop(last, None)
        else:
            tree[last] = value
    elif isinstance(tree, list) and isinstance(last, int) and last < len(tree):
        tree[last] = value


@st.composite
def mutated(draw: st.DrawFn, base: Any) -> Any:
    tree = copy.deepcopy(base)
    spots = [path for path in places(base) if len(path) > (1 if base is TREE else 0)]
    for path in draw(st.lists(st.sampled_from(spots), min_size=1, max_size=8)):
        put(tree, path, draw(JSON), drop=draw(st.booleans()))
    return tree


def harvest(tree: dict[str, Any]) -> Harvest:
    return Harvest(address="https://fuzz.test", at=1.0, resources=tree)


FUZZ = settings(max_examples=examples(100, 250))


@FUZZ
@given(tree=mutated(TREE))
def test_readings_never_raise_and_keep_their_rules(tree: dict[str, Any]) -> None:
    told = read_readings(
        harvest(tree), lambda _: "a", kinds={"a": AssetKind.NODE}, components={GPU: "gpu-0"}
    )
    keys = [each.uri for each in told.readings]
    assert len(keys) == len(set(keys))
    for each in told.readings:
        assert each.unit
        assert each.quantity
        assert (each.value is None) == bool(each.reason)
        assert each.value is None or math.isfinite(each.value)
        assert all(math.isfinite(limit) for limit in each.limits.values())


@FUZZ
@given(tree=mutated(TREE))
def test_the_other_extractions_never_raise(tree: dict[str, Any]) -> None:
    found = harvest(tree)
    for limit in read_limits(found, lambda _: "a", components={GPU: "gpu-0"}):
        assert limit.limit_w is None or math.isfinite(limit.limit_w)
    for cell in read_capabilities(found, lambda _: "a"):
        assert cell.proof
    read_settings(found, lambda _: "a")
    read_certificates(found)
    entries_of(found)


@FUZZ
@given(tree=mutated(TREE))
async def test_a_hot_pass_never_raises_but_our_errors(tree: dict[str, Any]) -> None:
    last = report(harvest(TREE))
    try:
        update = await read_hot(FakeDevice(tree), last)
    except IolausError:
        return
    known = {each.uri for each in last.readings}
    assert {each.uri for each in update.readings} <= known
    assert all((each.value is None) == bool(each.reason) for each in update.readings)


@FUZZ
@given(payload=mutated(EVENT) | JSON)
def test_events_never_raise(payload: Any) -> None:
    for event in parse_events(payload, received_at=1.0):
        assert event.dedup
        assert event.severity in ("OK", "Warning", "Critical", "Unknown")
    if isinstance(payload, dict):
        parse_subscription("/s", payload)


@FUZZ
@given(data=st.binary(max_size=200) | st.text(max_size=200))
def test_pushed_bytes_never_raise(data: bytes | str) -> None:
    parse_text(data, received_at=1.0)


@FUZZ
@given(entries=st.lists(mutated(ENTRY), max_size=6))
def test_log_entries_never_raise(entries: list[dict[str, Any]]) -> None:
    held = [parse_entry(f"/e/{index}", each, 1.0) for index, each in enumerate(entries)]
    assert sorted(each.uri for each in in_order(held)) == sorted(each.uri for each in held)


@pytest.mark.parametrize("seed", range(3))
@settings(parent=FUZZ, max_examples=examples(40, 60))
@given(page=mutated({"Members": [ENTRY | {"@odata.id": "/e/1"}], "Members@odata.nextLink": "/e"}))
async def test_a_log_s_pages_never_raise_but_our_errors(seed: int, page: dict[str, Any]) -> None:
    try:
        found = await read_logs(FakeDevice({"/e": page}), since=None, limit=seed, entries=["/e"])
    except IolausError:
        return
    assert len(found) <= seed
