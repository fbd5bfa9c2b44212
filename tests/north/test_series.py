"""A sensor's past over REST, out of the telemetry store."""

from __future__ import annotations

from iolaus.kernel.clock import JumpClock
from iolaus.store.past import Past
from iolaus.store.samples import samples_of
from iolaus.store.series import Series
from tests.north import hall
from tests.north.conftest import client_of, make_context

PATH = "/api/v1/sensors/h1-r01-u01:GPU0-Temp/history"


async def test_past_values_come_in_steps(clock: JumpClock) -> None:
    context = make_context(clock)
    series = Series(None)
    await series.start()
    context.series = Past(facts=context.facts, series=series)
    held = context.facts.held(hall.address(0))
    assert held
    now = clock.now()
    for age in range(100, 0, -10):
        readings = [hall.reading("GPU0 Temp", 60.0 + age, at=now - age, component="GPU0")]
        series.append(samples_of(readings, held.uids))
    async with client_of(context) as api:
        every = (await api.get(PATH)).json()["status"]
        assert (every["node"], every["unit"], every["quantity"]) == (
            "h1-r01-u01",
            "Cel",
            "Temperature",
        )
        assert [point["value"] for point in every["points"]] == [
            60.0 + age for age in range(100, 0, -10)
        ]
        steps = (await api.get(PATH, params={"since": "100s", "step": "50s"})).json()["status"]
        assert [point["value"] for point in steps["points"]] == [140.0, 90.0]
        swapped = await api.get(PATH, params={"since": "1m", "until": "2m"})
        assert swapped.json()["code"] == "BadTime"
        nobody = await api.get("/api/v1/sensors/h1-r01-u01:none/history")
        assert nobody.status_code == 404
    await series.close()


async def test_who_keeps_no_past_says_so(clock: JumpClock) -> None:
    async with client_of(make_context(clock)) as api:
        answer = await api.get(PATH)
        assert (answer.status_code, answer.json()["code"]) == (501, "NotOffered")
