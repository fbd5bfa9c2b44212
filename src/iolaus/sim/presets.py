"""Named faults: the field behaviours of management controllers, each playable by its name.

The numbers are those of the catalogue in docs/simulator.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Preset(NamedTuple):
    behaviour: int
    what: str
    rules: tuple[dict[str, Any], ...]


_FIRMWARE = "*/UpdateService/FirmwareInventory*"
_SENSORS = "*/Sensors/*"

PRESETS: Mapping[str, Preset] = {
    "accepts-and-ignores": Preset(
        1,
        "Actions answer 204 and do nothing.",
        (
            {"effect": "lie", "lie": "accept_without_effect",
             "select": {"method": ["POST"], "path": "*/Actions/*Reset*"}},
        ),
    ),
    "tasks-vanish": Preset(
        2,
        "Tasks and monitors answer 404.",
        ({"effect": "status", "status": 404, "message": "ResourceMissingAtURI",
          "select": {"method": ["GET"], "path": "*/TaskService/Task*/?*"}},),
    ),
    "tasks-lie": Preset(
        3,
        "Tasks are complete at once, and critical.",
        ({"effect": "replace",
          "merge": {"TaskState": "Completed", "TaskStatus": "Critical", "PercentComplete": 100},
          "select": {"method": ["GET"], "path": "*/TaskService/Tasks/?*"}},),
    ),
    "sessions-run-out": Preset(
        5,
        "Two sessions at most, and a deleted session is not given back.",
        (
            {"effect": "lie", "lie": "session_limit", "count": 2},
            {"effect": "lie", "lie": "sessions_leak"},
        ),
    ),
    "slow-and-degrading": Preset(
        6,
        "Every answer takes a while, firmware very long, some hang, and at times the API is down.",
        (
            {"effect": "latency", "seconds": 0.2, "sigma": 0.5},
            {"effect": "latency", "seconds": 3.0, "select": {"path": _FIRMWARE}},
            {"effect": "latency", "hang": True, "select": {"probability": 0.01, "after": 20}},
            {"effect": "die", "how": "refuse", "for_s": 10.0, "times": 1, "select": {"after": 60}},
        ),
    ),
    "passing-refusals": Preset(
        7,
        "Writes are refused at first: busy, in POST, not now.",
        (
            {"effect": "status", "status": 409, "message": "ServiceInUnknownState", "times": 1,
             "select": {"method": ["POST"], "path": "*/Actions/*"}},
            {"effect": "status", "status": 503, "message": "ServiceTemporarilyUnavailable",
             "retry_after_s": 1, "times": 2, "select": {"method": ["PATCH"]}},
        ),
    ),
    "stale-and-dropped-writes": Preset(
        8,
        "Reads after a write are old, writes without If-Match are dropped, ETags are weak.",
        (
            {"effect": "lie", "lie": "stale_reads", "seconds": 2.0},
            {"effect": "lie", "lie": "drop_without_if_match", "select": {"method": ["PATCH"]}},
            {"effect": "lie", "lie": "weak_etag", "select": {"method": ["GET"]}},
        ),
    ),
    "events-get-lost": Preset(
        10,
        "Subscriptions and streams end after a few events; events come twice, cut, or dated wrong.",
        (
            {"effect": "lie", "lie": "subscriptions_vanish", "count": 3},
            {"effect": "lie", "lie": "bad_events",
             "names": ["duplicate", "malformed", "time_travel"]},
        ),
    ),
    "schema-violations": Preset(
        13,
        "Missing names and links, null members, swapped Health and State, impossible readings.",
        (
            {"effect": "lie", "lie": "missing", "names": ["Name", "Links"],
             "select": {"path": "/redfish/v1/Systems/*", "method": ["GET"]}},
            {"effect": "lie", "lie": "null_members",
             "select": {"path": "*/Memory", "method": ["GET"]}},
            {"effect": "lie", "lie": "object_for_list",
             "select": {"path": "*/PowerSupplies", "method": ["GET"]}},
            {"effect": "lie", "lie": "swapped_status",
             "select": {"path": "*/Processors/*", "method": ["GET"]}},
            {"effect": "lie", "lie": "nan",
             "select": {"path": _SENSORS, "method": ["GET"], "probability": 0.3}},
            {"effect": "lie", "lie": "negative",
             "select": {"path": _SENSORS, "method": ["GET"], "probability": 0.2}},
            {"effect": "lie", "lie": "expand_drops", "select": {"method": ["GET"]}},
            {"effect": "lie", "lie": "trailing_blanks",
             "select": {"path": f"{_FIRMWARE}/*", "method": ["GET"]}},
        ),
    ),
    "clock-off": Preset(
        14,
        "The clock is twelve hours ahead: Date, events, and a certificate not valid yet.",
        ({"effect": "lie", "lie": "clock", "offset_s": 43200.0},),
    ),
    "unreachable": Preset(
        15, "Connections are refused.", ({"effect": "die", "how": "refuse"},)
    ),
    "silent": Preset(
        15, "Connections are accepted and nothing is ever said.",
        ({"effect": "die", "how": "silence"},),
    ),
}  # fmt: skip
