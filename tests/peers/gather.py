"""Every capture as a live device, listed by the peers and by us, and judged."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.drivers.captures.ask import Device, replayed, unpack
from tests.drivers.captures.counter import read_tree
from tests.peers.judge import Images, Inventory, Sensors, Verdict, judge, systems
from tests.peers.ours import inspected
from tests.peers.theirs import listings, reading_place

AT_ONCE = 2


class Row(NamedTuple):
    name: str
    inventory: Verdict
    sensors: Verdict
    firmware: Verdict
    sushy: Verdict
    library: Verdict

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """By topic, the name left out."""
        return {topic: getattr(self, topic) for topic in self._fields[1:]}


def chosen(archives: Path, names: Iterable[str], into: Path) -> dict[str, Path]:
    """Only these captures, unpacked."""
    some = into / "archives"
    some.mkdir(parents=True)
    for name in names:
        (some / f"{name}.tar.xz").symlink_to((archives / f"{name}.tar.xz").resolve())
    return unpack(some, into / "unpacked")


def rows_of(folders: Mapping[str, Path], hosts: Path) -> list[Row]:
    """A row per capture, in their order. What filters warnings holds for all threads of a process,
    so that the peers' are silenced around them and not in each."""
    with (
        replayed(folders, hosts) as devices,
        warnings.catch_warnings(),
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        warnings.simplefilter("ignore")
        return list(pool.map(lambda device: row(device, folders[device.name]), devices))


def row(device: Device, folder: Path) -> Row:
    tree, ours = read_tree(folder), inspected(device)
    theirs = listings(device.target.address)
    return Row(
        name=device.name,
        inventory=judge(theirs.inventory, by_place(ours["components"]), Inventory(tree, ours)),
        sensors=judge(theirs.sensors, by_place(ours["sensors"]), Sensors(tree, ours)),
        firmware=judge(theirs.firmware, by_place(ours["firmware"]), Images(tree, ours)),
        sushy=systems(theirs.sushy, ours, tree),
        library=systems(theirs.library, ours, tree),
    )


def by_place(entries: Iterable[Any]) -> dict[str, Any]:
    return {reading_place(each["uri"].rstrip("/")): each for each in entries}
