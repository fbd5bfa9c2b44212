"""The table of docs/peers.md: per capture and listing, what both name and why the rest differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from tests.peers.gather import Row
from tests.peers.judge import UNEXPLAINED, Verdict

HEAD = """# Peers

Every capture is served over HTTPS by `iolaus sim replay`; clients that others wrote read the same
device as `iolaus inspect -o json` does, and the listings are laid side by side by the place in the
device's tree where each entry was read. Made by `python -m tests.peers`.

A cell is `n` where both list the same n things with the same serial, version or value, and
`n +p -i ~d` where besides the peer lists p more, we list i more, and d say something else. Every
one of these has a reason below, proved by code from the device's own JSON, from the requests the
peer made, or from the rest of our answer. `failed` means that the peer gave up; `-` that neither
has anything to list.

"""
TOPICS = {
    "inventory": "redfish_utilities get_system_inventory: parts by serial",
    "sensors": "redfish_utilities get_sensors: readings by value and unit",
    "firmware": "redfish_utilities get_firmware_inventory: images by version",
    "sushy": "sushy: systems by power state, UUID, serial and model",
    "library": "python-redfish-library: the same, read plainly",
}
SIDES = {"peer": "listed by the peer alone", "iolaus": "listed by us alone", "both": "both differ"}
PACKAGES = ("redfish", "redfish-utilities", "sushy")


def render(rows: Sequence[Row]) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [HEAD.strip(), "", f"Compared with {versions}.", ""]
    lines += [_line(["capture", *TOPICS]), _line(["---"] * (1 + len(TOPICS)))]
    lines += [_line(cells(row)) for row in rows]
    for topic, title in TOPICS.items():
        lines += ["", f"## {title}", "", *_reasons(topic, rows)]
    return "\n".join(lines) + "\n"


def cells(row: Row) -> list[str]:
    return [row.name, *(_cell(verdict) for verdict in row.verdicts.values())]


def _cell(verdict: Verdict) -> str:
    if verdict.failed:
        return "failed"
    sides = Counter(each.side for each in verdict.differences)
    if not sides and not verdict.agreed:
        return "-"
    marks = (("peer", "+"), ("iolaus", "-"), ("both", "~"))
    more = [f"{mark}{sides[side]}" for side, mark in marks if sides[side]]
    bold = "**" if verdict.unexplained else ""
    return f"{bold}{' '.join([str(verdict.agreed), *more])}{bold}"


def _reasons(topic: str, rows: Sequence[Row]) -> Iterable[str]:
    verdicts = {row.name: row.verdicts[topic] for row in rows}
    agreed = sum(verdict.agreed for verdict in verdicts.values())
    reasons = Counter((each.side, each.reason) for v in verdicts.values() for each in v.differences)
    failed = Counter(v.failed.partition(": ")[0] for v in verdicts.values() if v.failed)
    yield f"{agreed} agree."
    yield ""
    yield _line(["times", "who", "why"])
    yield _line(["---"] * 3)
    for (side, reason), number in sorted(reasons.items(), key=lambda item: -item[1]):
        said = f"**{reason}**" if reason == UNEXPLAINED else reason
        yield _line([str(number), SIDES[side], said])
    for error, number in failed.most_common():
        yield _line([str(number), "the peer failed", error])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(each.replace("|", "/") for each in cells) + " |"
