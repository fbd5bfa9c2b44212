"""What an entry of the firmware inventory is the firmware of, and in which bank it lies.

The inventory's ids are free text (DSP0268, SoftwareInventory.Id), and a baseline wants to say
"bmc". In order of worth: the resource that the entry relates to; the version that the manager or
the system says it runs; the words of its id and name (`firmware_words.toml`). What none of these
tells has no kind and is matched by its id only. Controllers of modules inside a server
are told apart from the server's own.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.drivers.redfish import names
from iolaus.drivers.redfish._text import mapping
from iolaus.drivers.redfish.harvest import Harvest, links_in
from iolaus.model.asset import Firmware
from iolaus.model.version import same

ACTIVE: Final = "ActiveSoftwareImage"
IMAGES: Final = "SoftwareImages"
RUNNING: Final = frozenset({"bmc", "bios"})
_RELATED: Final = (
    ("bmc", re.compile(r"/Managers/[^/]+$")),
    ("bios", re.compile(r"/Systems/[^/]+(/Bios)?$")),
    ("psu", re.compile(r"/PowerSupplies/[^/]+$")),
    ("battery", re.compile(r"/Batteries/[^/]+$")),
    ("nic", re.compile(r"/(NetworkAdapters|EthernetInterfaces)/[^/]+$")),
    ("drive", re.compile(r"/Drives/[^/]+$")),
)


class Words(NamedTuple):
    kinds: tuple[tuple[str, re.Pattern[str]], ...]
    not_firmware: re.Pattern[str]
    module: re.Pattern[str]
    backup: re.Pattern[str]
    staged: re.Pattern[str]


def classify(entries: Iterable[Firmware], harvest: Harvest) -> tuple[Firmware, ...]:
    """The same entries with `kind` and `bank` told where they are certain. Pure."""
    running = _running(harvest)
    told = [_told(entry, running) for entry in entries]
    return tuple(_of_managers(_other_banks(told, running), harvest))


def kind_in(name: str) -> str:
    """The class of firmware that words of a name tell ("bmc"); "" where none does. Pure."""
    text = _plain(name)
    return next((kind for kind, pattern in _words().kinds if pattern.search(text)), "")


def _told(entry: Firmware, running: Mapping[str, frozenset[str]]) -> Firmware:
    words, text = _words(), _plain(f"{entry.component} {entry.name}")
    if words.not_firmware.search(text):
        return entry
    by_words = kind_in(text)
    kind = by_words or _by_relation(entry) or _by_version(entry, running)
    if kind and words.module.search(text):
        kind = f"module-{kind}" if kind in RUNNING else kind
    bank = "backup" if words.backup.search(text) else ""
    bank = "staged" if words.staged.search(text) else bank
    return msgspec.structs.replace(entry, kind=kind, bank=bank)


def _by_relation(entry: Firmware) -> str:
    for uri in entry.related:
        for kind, pattern in _RELATED:
            if pattern.search(uri):
                return kind
    return ""


def _by_version(entry: Firmware, running: Mapping[str, frozenset[str]]) -> str:
    version = entry.version or ""
    found = [kind for kind, all_of in running.items() if any(same(version, v) for v in all_of)]
    return found[0] if len(found) == 1 else ""


def _other_banks(
    entries: Iterable[Firmware], running: Mapping[str, frozenset[str]]
) -> Iterable[Firmware]:
    """Of images numbered alike, those that do not run are the other bank, where one does."""
    entries = list(entries)
    alike = defaultdict[tuple[str, str, str], list[Firmware]](list)
    for entry in entries:
        alike[_family(entry)].append(entry)
    for entry in entries:
        siblings, versions = alike[_family(entry)], running.get(entry.kind, frozenset())
        runs = any(each.version in versions for each in siblings)
        if len(siblings) > 1 and runs and entry.version not in versions and not entry.bank:
            entry = msgspec.structs.replace(entry, bank="backup")
        yield entry


def _of_managers(entries: Iterable[Firmware], harvest: Harvest) -> Iterable[Firmware]:
    """Managers that keep several images say which are theirs and which one they boot."""
    active, listed = set[str](), dict[str, str]()
    for uri, payload in harvest.of_type("Manager"):
        links = mapping(payload.get("Links"))
        runs, images = set(links_in(links.get(ACTIVE))), list(links_in(links.get(IMAGES)))
        if len(runs) == 1 and runs < set(images):
            active |= runs
            listed |= dict.fromkeys(images, uri)
    for entry in entries:
        manager = listed.get(entry.uri, "")
        other = bool(manager) and entry.uri not in active and not entry.bank
        bank = "backup" if other else entry.bank
        yield msgspec.structs.replace(entry, booted_by=manager, bank=bank) if manager else entry


def _family(entry: Firmware) -> tuple[str, str, str]:
    return entry.asset, entry.kind, re.sub(r"\d+", "#", entry.component)


def _running(harvest: Harvest) -> dict[str, frozenset[str]]:
    """What managers and systems say that they run."""
    sources = (("bmc", "Manager", "FirmwareVersion"), ("bios", "ComputerSystem", "BiosVersion"))
    return {
        kind: frozenset(
            version
            for _, payload in harvest.of_type(type_name)
            if (version := names.version(payload.get(field)))
        )
        for kind, type_name, field in sources
    }


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.casefold())


@cache
def _words() -> Words:
    text = files(__package__).joinpath("firmware_words.toml").read_text(encoding="utf-8")
    told: Mapping[str, Any] = tomllib.loads(text)
    kinds = tuple((kind, _word(pattern)) for kind, pattern in told["kinds"])
    others = (_word(told[name]) for name in ("not-firmware", "module", "backup", "staged"))
    return Words(kinds, *others)


def _word(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b")
