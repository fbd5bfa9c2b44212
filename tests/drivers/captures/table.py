"""The coverage table: per capture, what was counted in its JSON and what was read of its device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from iolaus.model.asset import Report
from tests.drivers.captures.counter import CLASSES, Who, count, identity

HEAD = """# Coverage

What the generic driver reads of every capture of a real or sample controller, beside a count over
the capture's own JSON by code that shares nothing with the product. Each capture is served over
HTTPS by `iolaus sim replay` and read through a lane; `n` means that both say n, `n/m` that the
driver said n where the JSON holds m. Made by `python -m tests.drivers.captures`.

"""
RULES = """
## How things are counted

- One resource is one part. Absent and disabled slots are not counted. A serial never merges two
  parts of one collection: samples and fleets are full of repeated serials.
- Only what some link leads to is counted: a file that nothing links to is not served to anyone.
- A processor without a type is a CPU; cores and threads are no parts. A CPU that a baseboard's
  system shows again (same socket, no serial of its own) is the host's and counted once.
- GPUs are processors of that type. Where a controller has none, PCIe functions of a compute
  accelerator class are GPUs; controllers that list GPUs only in OEM resources have a vendor folder.
- Every memory resource counts as a module, a GPU's own included; `memory_gib` is the host's alone.
- Every network adapter resource counts as a nic, a DPU's included.
- Supplies and fans are counted in a chassis' modern subsystem where that lists any, else in the
  legacy arrays, never in both.
- SimpleStorage devices, PCIe devices, storage controllers and sub-chassis are listed as
  components and not counted: what they are is shown again by a resource that is.
- Firmware entries are the update service's entries and those that a component links to; images in
  a local store are not firmware that something runs.
- Composed systems are nodes and own the parts that they list; virtual machines are no hardware.
"""


class Row(NamedTuple):
    """One capture: our numbers and theirs, by class, and the identities that differ."""

    name: str
    ours: dict[str, int]
    theirs: dict[str, int]
    report: Report
    identities: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return self.ours == self.theirs and not self.identities


def row(name: str, report: Report, tree: dict[str, Any]) -> Row:
    return Row(name, ours(report), count(tree), report, tuple(_identities(report, tree)))


def ours(report: Report) -> dict[str, int]:
    """The product's totals: what belongs to an asset and what to none."""
    kinds = Counter(str(part.kind) for part in report.components if part.state != "Disabled")
    kinds["firmware"] = len(report.firmware)
    return {name: kinds[name] for name in CLASSES}


def _identities(report: Report, tree: dict[str, Any]) -> Iterable[str]:
    for asset in report.assets:
        own = [uri for uri in asset.resources if uri == asset.resources[0] or "/Systems/" in uri]
        want = identity(tree, own)
        have = Who(asset.raw.get("vendor"), asset.raw.get("model"), asset.identity.serial)
        for field, mine, told in zip(Who._fields, have, want, strict=True):
            if told is not None and mine != told:
                yield f"{asset.key} {field}: {mine!r}, the JSON says {told!r}"


def render(rows: Iterable[Row]) -> str:
    """The table as Markdown, with the rules it follows."""
    titles = ["capture", "assets", *CLASSES, "deviations", "unread", "maker", "model"]
    lines = [_line(titles), _line(["---"] * len(titles))]
    lines += [_line(_cells(each)) for each in rows]
    return HEAD + "\n".join(lines) + "\n" + RULES


def _cells(each: Row) -> list[str]:
    kinds = Counter(str(asset.kind) for asset in each.report.assets)
    first = each.report.assets[0] if each.report.assets else None
    return [
        each.name,
        ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "none",
        *(_pair(each.ours[name], each.theirs[name]) for name in CLASSES),
        str(len(each.report.deviations)),
        str(len(each.report.partial)),
        first.vendor or "-" if first else "-",
        first.model or "-" if first else "-",
    ]


def _pair(mine: int, told: int) -> str:
    return str(mine) if mine == told else f"**{mine}/{told}**"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(each.replace("|", "/") for each in cells) + " |"
