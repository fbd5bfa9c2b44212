"""Logs: order is worked out, text is cleaned, everything is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.drivers.redfish.harvest import ROOT
from iolaus.drivers.redfish.logs import (
    MAX_PAGES,
    entries_of,
    in_order,
    message_of,
    moment_of,
    parse_entry,
    read_logs,
    severity_of,
)
from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from tests.drivers.redfish.build import harvest_of, link, typed
from tests.drivers.redfish.fake import FakeDevice

MANAGER = f"{ROOT}/Managers/BMC"
LOG = f"{MANAGER}/LogServices/Log/Entries"


def entry(number: int | str, created: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "@odata.id": f"{LOG}/{number}",
        "Id": str(number),
        "Message": f"entry {number}",
        "Severity": "OK",
        "Created": created or f"2026-05-01T10:{int(number) % 60:02}:00Z",
        **more,
    }


def device(*members: dict[str, Any], **more: Any) -> FakeDevice:
    services = f"{MANAGER}/LogServices"
    return FakeDevice(
        {
            ROOT: {"Managers": link(f"{ROOT}/Managers"), "Systems": link(f"{ROOT}/Systems")},
            f"{ROOT}/Managers": {"Members": [link(MANAGER)]},
            MANAGER: {"LogServices": link(services)},
            services: {"Members": [link(f"{services}/Log"), link(f"{services}/Journal")]},
            f"{services}/Log": {"Id": "Log", "Entries": link(LOG)},
            LOG: {"Members": list(members), "Members@odata.count": len(members), **more},
        }
    )


async def numbers(device: FakeDevice, since: str | None = None, limit: int = 10) -> list[str]:
    return [e.entry_id for e in await read_logs(device, since=since, limit=limit)]


async def test_the_newest_entries_oldest_first_whatever_the_order() -> None:
    up = [entry(n) for n in range(1, 21)]
    assert await numbers(device(*up), limit=3) == ["18", "19", "20"]
    assert await numbers(device(*up[::-1]), limit=3) == ["18", "19", "20"]


async def test_only_what_came_since_the_entry_we_hold() -> None:
    up = [entry(n) for n in range(1, 21)]
    assert await numbers(device(*up), since=f"{LOG}/18") == ["19", "20"]
    assert await numbers(device(*up), since=f"{LOG}/20") == []


async def test_an_entry_that_is_gone_means_a_gap_and_all_that_is_left() -> None:
    assert await numbers(device(entry(7), entry(8)), since=f"{LOG}/3") == ["7", "8"]


async def test_a_clock_that_jumped_back_does_not_hide_new_entries() -> None:
    up = [entry(1), entry(2), entry(3, "1970-01-01T00:00:09Z"), entry(4, "1970-01-01T00:00:19Z")]
    assert await numbers(device(*up), since=f"{LOG}/2") == ["3", "4"]


async def test_numbers_that_run_against_time_are_taken_backwards() -> None:
    members = [entry(n, f"2026-05-01T{20 - n}:00:00Z") for n in range(1, 6)]
    assert await numbers(device(*members), limit=2) == ["2", "1"]


async def test_linked_entries_are_fetched_the_newest_only() -> None:
    box = device(*(link(f"{LOG}/{n}") for n in range(1, 101)))
    box.tree |= {f"{LOG}/{n}": entry(n) for n in range(1, 101)}
    assert await numbers(box, limit=2) == ["99", "100"]
    assert sum(uri.startswith(f"{LOG}/") for uri in box.asked) == 2


async def test_pages_numbered_from_the_oldest_are_leapt_over() -> None:
    box = device(*(entry(n) for n in range(50)), **{"Members@odata.count": 1000})
    box.tree[LOG]["Members@odata.nextLink"] = f"{LOG}?$skip=50"
    box.tree[f"{LOG}?$skip=990"] = {"Members": [entry(n) for n in range(990, 1000)]}
    assert (await numbers(box))[-1] == "999"
    assert sum(uri.startswith(LOG) for uri in box.asked) == 2


async def test_a_page_that_begins_with_the_newest_is_enough() -> None:
    box = device(*(entry(n) for n in range(49, 0, -1)), **{"Members@odata.nextLink": f"{LOG}?p=2"})
    assert (await numbers(box))[-1] == "49"
    assert sum(uri.startswith(LOG) for uri in box.asked) == 1


async def test_pages_that_lead_in_a_circle_or_on_for_ever_end() -> None:
    box = device(entry(1), **{"Members@odata.nextLink": LOG})
    assert await numbers(box) == ["1"]
    for page in range(50):
        link_on = {"Members": [entry(page)], "Members@odata.nextLink": f"{LOG}?page={page + 1}"}
        box.tree[f"{LOG}?page={page}" if page else LOG] = link_on
    await numbers(box)
    assert sum(uri.startswith(LOG) for uri in box.asked) <= 2 * MAX_PAGES


async def test_a_controller_s_own_debugging_is_not_read() -> None:
    box = device(entry(1))
    await numbers(box)
    assert not [uri for uri in box.asked if "Journal" in uri]


async def test_one_log_that_fails_does_not_hide_the_others() -> None:
    box = device(entry(1))
    box.tree |= {f"{LOG}2": {"Members": [entry(5)]}}
    box.failures[LOG] = DeviceRefused("HTTP 500", operation="read", subject=LOG, status=500)
    found = await read_logs(box, since=None, limit=5, entries=[LOG, f"{LOG}2"])
    assert [e.entry_id for e in found] == ["5"]


async def test_no_log_at_all_is_the_device_s_failure() -> None:
    box = device(entry(1))
    box.failures[ROOT] = DeviceSilent("no answer", operation="read", subject=ROOT)
    with pytest.raises(DeviceSilent):
        await read_logs(box, since=None, limit=5)


async def test_a_device_without_logs_has_none() -> None:
    assert await read_logs(FakeDevice({ROOT: {}}), since=None, limit=5) == ()


def test_hostile_text_is_cleaned_and_bounded() -> None:
    nasty = "\x1b]0;owned\x07\r\nroot logged in\u202e" + "x" * 100_000
    found = parse_entry(f"{LOG}/1", {"Message": nasty, "Severity": "\x1b[31m"}, 1.0)
    assert "\x1b" not in found.message
    assert "\n" not in found.message
    assert len(found.message) <= 2048
    assert (found.severity, found.entry_id, found.created) == ("Unknown", "1", None)


def test_an_entry_of_nothing_still_is_one() -> None:
    found = parse_entry(f"{LOG}/9", {"Links": 3, "Id": None, "MessageArgs": 4}, 2.0)
    assert (found.entry_id, found.message, found.origin, found.at) == ("9", "", None, 2.0)


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("OK", "OK"),
        ("warning", "Warning"),
        ("Fatal", "Critical"),
        (None, "Unknown"),
        (3, "Unknown"),
    ],
)
def test_severities(word: object, severity: str) -> None:
    assert severity_of(word) == severity


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T01:00:10+01:00", 10.0),
        ("1970-01-01T00:00:10", 10.0),
        ("0000-00-00T00:00:00Z", None),
        ("", None),
        (7, None),
        ("9" * 1000, None),
    ],
)
def test_time_stamps(text: object, seconds: float | None) -> None:
    assert moment_of(text) == seconds


def test_ids_that_are_no_numbers_are_ordered_by_time() -> None:
    texts = (("b", "2026-05-01T10:00:02Z"), ("a", "2026-05-01T10:00:01Z"))
    held = [parse_entry(f"{LOG}/{n}", {"Id": n, "Created": t}, 0.0) for n, t in texts]
    assert [e.entry_id for e in in_order(held)] == ["a", "b"]


def test_a_message_of_id_and_arguments() -> None:
    assert message_of({"MessageId": "A.B", "MessageArgs": ["1"]}) == "A.B (1)"


def test_the_collections_of_a_harvest() -> None:
    services = {
        f"{MANAGER}/LogServices/Log": typed("LogService", Id="Log", Entries=link(LOG)),
        f"{MANAGER}/LogServices/Dump": typed("LogService", Id="Dump", Entries=link("/d")),
        f"{MANAGER}/LogServices/Off": typed(
            "LogService", Id="Off", Entries=link("/o"), ServiceEnabled=False
        ),
    }
    assert entries_of(harvest_of(services)) == (LOG,)
