"""A site over the simulated hall, so that its slow loop has something to hold.

Where the operator's state holds no file of power, one is written before the server starts: the
site, its halls, rows and racks with limits that they keep, and a policy that advises. It is the
operator's from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from iolaus.app.planting import POWER_FILE
from iolaus.model.endpoint import Target
from iolaus.model.hosts import fold_hosts
from iolaus.store.files import replace_file

RACK_KW, ROW_KW = 150, 140
SPARE: Final = 0.9
POLICY: Final[Mapping[str, Any]] = {
    "mode": "advise",
    "rampUpPerSecond": "20 kW",
    "rampDownPerSecond": "20 kW",
    "recharge": {"reserve": "2 kW"},
    "coolant": {"leastC": 25.0, "mostC": 42.0},
    "smoothing": {"rampPerSecond": "50 kW"},
}


def give_site(state_dir: Path, targets: Iterable[Target]) -> bool:
    """Write it; False where there is one already, or no rack to feed."""
    path, rows = state_dir / POWER_FILE, _rows(targets)
    if path.exists() or not rows:
        return False
    documents = [
        _document("Plant", {"domains": list(_domains(rows))}),
        _document("PowerPolicy", dict(POLICY)),
    ]
    head = "# Written for the simulated hall. docs/power.md explains every key.\n"
    replace_file(path, (head + yaml.safe_dump_all(documents, sort_keys=False)).encode())
    return True


def _rows(targets: Iterable[Target]) -> dict[tuple[str, str, str], set[str]]:
    """By (site, hall, row), the racks."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for labels in (each.labels for each in targets):
        if all(word in labels for word in ("site", "hall", "row", "rack")):
            where = labels["site"], labels["hall"], labels["row"]
            found.setdefault(where, set()).add(labels["rack"])
    return found


def _domains(rows: Mapping[tuple[str, str, str], set[str]]) -> Iterable[Mapping[str, Any]]:
    site = min(site for site, _, _ in rows)
    racks_of: dict[str, int] = {}
    for (_, hall, _), racks in rows.items():
        racks_of[hall] = racks_of.get(hall, 0) + len(racks)
    whole = SPARE * ROW_KW * sum(racks_of.values())
    yield {"name": site, "kind": "site", "limit": f"{whole:.0f} kW"}
    for hall, number in sorted(racks_of.items()):
        yield _domain(hall, "hall", site, ROW_KW * number)
    for (_, hall, row), racks in sorted(rows.items()):
        name = f"{hall}-{row}"
        yield _domain(name, "row", hall, ROW_KW * len(racks))
        for names in fold_hosts(sorted(racks)):
            yield _domain(names, "rack", name, RACK_KW)


def _domain(name: str, kind: str, parent: str, kilowatts: float) -> Mapping[str, Any]:
    return {"name": name, "kind": kind, "parent": parent, "limit": f"{kilowatts:.0f} kW"}


def _document(
    kind: str, spec: Mapping[str, Any] | Mapping[str, Sequence[Any]]
) -> Mapping[str, Any]:
    return {
        "apiVersion": "iolaus.dev/v1",
        "kind": kind,
        "metadata": {"name": "demo"},
        "spec": spec,
    }
