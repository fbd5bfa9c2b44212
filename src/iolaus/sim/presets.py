"""Named faults: the field behaviours of management controllers, each playable by its name.

The numbers are those of the catalogue in docs/simulator.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Preset(NamedTuple):
    """`behaviour` 0 is none of the catalogue: an adversary, not a flaw."""

    behaviour: int
    what: str
    rules: tuple[dict[str, Any], ...]


def _lie(what: str) -> Preset:
    """A root of trust, or its courier, that lies as the preset is called."""
    return Preset(0, what, ())


def _named(name: str, preset: Preset) -> Preset:
    return preset._replace(rules=({"effect": "lie", "lie": name.replace("-", "_")},))


_FIRMWARE = "*/UpdateService/FirmwareInventory*"
_SENSORS = "*/Sensors/*"

_PRESETS: Mapping[str, Preset] = {
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
    "spdm-replay": _lie("An old SPDM transcript, validly signed, answers every question."),
    "spdm-wrong-nonce": _lie("SPDM measurements are signed for another nonce."),
    "spdm-bad-signature": _lie("The last bit of SPDM signatures is wrong."),
    "spdm-forged-root": _lie("SPDM keys and certificates are nobody's, under the right names."),
    "spdm-swapped-identity": _lie("Another device's genuine identity signs SPDM measurements."),
    "spdm-stale-firmware": _lie("SPDM tells new versions and measures the older firmware."),
    "spdm-tampered": _lie("SPDM measures firmware that is not the maker's."),
    "spdm-debug-mode": _lie("SPDM tells that invasive debugging is active."),
    "tpm-replay": _lie("An old TPM quote, validly signed, answers every question."),
    "tpm-wrong-nonce": _lie("TPM quotes are for another nonce."),
    "tpm-bad-signature": _lie("The last bit of TPM signatures is wrong."),
    "tpm-forged-root": _lie("TPM keys and certificates are nobody's, under the right names."),
    "tpm-swapped-identity": _lie("Another device's TPM quotes."),
    "tpm-stale-firmware": _lie("The host booted older firmware than it says."),
    "tpm-tampered": _lie("The host booted firmware that is not the maker's."),
    "tpm-log-edited": _lie("The event log was altered after the boot that it tells of."),
    "tpm-secure-boot-off": _lie("Secure boot was off at boot, whatever SecureBoot says."),
}  # fmt: skip
PRESETS: Mapping[str, Preset] = {
    name: preset if preset.rules else _named(name, preset) for name, preset in _PRESETS.items()
}
