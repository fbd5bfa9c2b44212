"""A compromised host is cut off from its networks while it keeps its power, and joined again."""

from __future__ import annotations

from pathlib import Path

from iolaus.app.recovering import closed_of
from iolaus.model.plan import Fate
from iolaus.model.rollout import Entry, EntryKind, NodeState
from iolaus.sim.device import Device
from tests.recovery.stage import plan, recovered, recovering
from tests.sim.firmware.stage import machines

NODE = "dl365-cpu"


def ports(device: Device) -> dict[str, tuple[str, str]]:
    """What the controller really has of each port: wanted, and so."""
    found = {path: device.kept(path) or {} for path in device.paths()}
    return {
        path: (body["LinkState"], body["LinkStatus"])
        for path, body in found.items()
        if "LinkState" in body
    }


async def test_a_host_is_cut_off_with_its_power_on_and_what_was_open_is_opened_again(
    tmp_path: Path,
) -> None:
    policy = "  isolate: {use: true, power: false}"
    async with recovering(tmp_path, *machines(NODE), policy=policy) as (on, _):
        first, *others = ports(on.device)
        assert others
        await on.change(first, {"LinkState": "Disabled", "LinkStatus": "LinkDown"})
        on.device.counters.order = []
        _, node = await recovered(on, NODE, **{"class": "compromised"})
        assert node.state is NodeState.DONE, node
        assert set(ports(on.device).values()) == {("Disabled", "LinkDown")}
        written = [p.rstrip("/") for _, m, p in on.device.counters.order if m == "PATCH"]
        assert sorted(written) == sorted(others)
        system = on.device.kept("/redfish/v1/Systems/1") or {}
        assert system["PowerState"] == "On"
        _, node = await recovered(on, NODE, only="rejoin")
        assert node.state is NodeState.DONE, node
        told = ports(on.device)
        assert told.pop(first) == ("Disabled", "LinkDown"), "a person had closed it"
        assert set(told.values()) == {("Enabled", "LinkUp")}
        (again,) = (await plan(on, NODE, only="rejoin")).nodes
        assert again.fate is Fate.NO_OP


def test_what_is_closed_stands_in_the_journal_until_it_is_opened() -> None:
    def entry(at: float, kind: EntryKind, word: str, *seen: str) -> Entry:
        doc = {"seen": {"recovery/open": list(seen)}} if seen else {}
        step = f"u/1-02-{word}"
        return Entry(plan="p", number=1, epoch=1, at=at, kind=kind, node="u", step=step, doc=doc)

    first = entry(1.0, EntryKind.STARTED, "isolate", "a#LinkState", "b#LinkState")
    more = entry(2.0, EntryKind.STARTED, "isolate", "b#LinkState", "c#LinkState")
    opened = entry(3.0, EntryKind.DONE, "rejoin")
    assert closed_of([first]) == ("a#LinkState", "b#LinkState")
    assert closed_of([more, first]) == ("a#LinkState", "b#LinkState", "c#LinkState")
    assert closed_of([first, more, entry(3.0, EntryKind.STARTED, "rejoin")]) != ()
    assert closed_of([opened, first, more]) == ()
