"""The few numbers of an asset that tables and pages show: one value per role, never a stale one."""

from __future__ import annotations

import msgspec
import pytest

from iolaus.model.asset import Asset, Reading
from iolaus.model.condition import Sight
from iolaus.model.endpoint import Target
from iolaus.north.dto.make import Frame, summary_readings
from tests.north import hall

NOW = 1_700_000_000.0


def reading(role: str, value: float | None, *, part: str | None = None, unit: str = "W") -> Reading:
    quantity = {"W": "Power", "Cel": "Temperature", "1": "Leak"}.get(unit, "Percent")
    return Reading(
        name=f"{role} {part}",
        asset="",
        uri=f"/redfish/v1/{role}/{part}",
        quantity=quantity,
        unit=unit,
        value=value,
        at=NOW,
        role=role,
        component=part,
    )


def summary(*readings: Reading, **own: float) -> dict[str, float]:
    report = hall.cdu(at=NOW)
    asset: Asset = msgspec.structs.replace(report.assets[0], readings=own)
    sight = Sight(now=NOW, interval_s=10.0, status=hall.status(0, at=NOW), report=report)
    owned = [msgspec.structs.replace(each, asset=asset.key) for each in readings]
    frame = Frame(target=Target(address="https://c"), sight=sight, assets=(asset,), readings=owned)
    return dict(summary_readings(asset, frame))


def test_a_reading_of_now_replaces_what_the_last_inventory_said() -> None:
    assert summary(reading("inlet_temperature", 21.0, unit="Cel"), inlet_temperature_c=35.0) == {
        "inlet_temperature_c": 21.0
    }


def test_a_reading_without_a_value_leaves_no_old_one_behind() -> None:
    assert summary(reading("pdu_power", None), pdu_power_w=4000.0) == {}


def test_batteries_are_as_good_as_the_emptiest() -> None:
    cells = [reading("battery_charge", v, part=f"B{v}", unit="%") for v in (98.0, 41.0, 99.0)]
    assert summary(*cells) == {"battery_charge_percent": 41.0}


@pytest.mark.parametrize(
    ("values", "leak"),
    [((0.0, 0.0), 0.0), ((0.0, 2.0), 2.0), ((None, 2.0), 2.0), ((0.0, None), None)],
)
def test_one_silent_detector_is_not_dry(values: tuple[float | None, ...], leak: object) -> None:
    ropes = [reading("leak", v, part=f"R{n}", unit="1") for n, v in enumerate(values)]
    assert summary(*ropes).get("leak") == leak


def test_heat_is_told_in_its_unit() -> None:
    assert summary(reading("heat_removed", 6.5, unit="kW")) == {"heat_removed_kw": 6.5}
