"""One inspected endpoint for a person: what it is, what it holds, what is odd about it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from iolaus.north.cli.cells import text


def print_inspection(found: Mapping[str, Any]) -> None:
    """Print the object of `inspect_view` as a page of text."""
    sys.stdout.write("\n".join(_lines(found)) + "\n")


def _lines(found: Mapping[str, Any]) -> Iterable[str]:
    endpoint = found["endpoint"]
    yield (
        f"{text(endpoint['address'])}  Redfish {text(endpoint['redfish_version'] or 'unknown')}"
        f"  driver {text(endpoint['driver'] or 'none')}"
    )
    for asset in (*found["nodes"], *found["devices"]):
        yield ""
        yield from _asset(asset)
    yield ""
    kinds = Counter(part["type"] for part in found["components"])
    yield _row("components", ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())))
    valued = sum(sensor["value"] is not None for sensor in found["sensors"])
    yield _row("sensors", f"{len(found['sensors'])}, {valued} with a value")
    yield _row("firmware", f"{len(found['firmware'])} entries")
    names = sorted({each["name"] for each in found["capabilities"]})
    yield _row("capabilities", ", ".join(names) or "none proved")
    rules = Counter(each["rule"] for each in found["deviations"])
    yield _row("deviations", ", ".join(f"{n} {rule}" for rule, n in rules.most_common()) or "none")


def _asset(asset: Mapping[str, Any]) -> Iterable[str]:
    yield f"{asset['kind']}/{text(asset['name'])}"
    head = " ".join(text(asset[field] or "unknown") for field in ("vendor", "model"))
    yield _row("what", f"{head}, serial {text(asset['serial'] or 'unknown')}")
    counts = [
        f"{'?' if count is None else count} {name}"
        for name, count in asset["counts"].items()
        if count != 0
    ]
    memory = asset.get("memory_gib")
    yield _row("holds", ", ".join(counts) + (f" ({memory:g} GiB)" if memory else ""))
    yield _row(
        "state",
        f"power {asset['power_state'] or 'unknown'}, health {asset['health'] or 'unknown'}",
    )
    for condition in asset["conditions"]:
        if condition["status"] != "True" and condition["type"] != "Fresh":
            said = condition["message"] or condition["reason"]
            yield _row("note", text(f"{condition['type']} {condition['status']}: {said}"))


def _row(name: str, value: str) -> str:
    return f"  {name:<13} {value}"
