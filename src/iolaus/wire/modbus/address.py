"""How a Modbus bus is named: `modbus+tcp://host[:502]` or `modbus+rtu:///dev/ttyUSB0`.

One bus is one endpoint, because one bus is what can be slow, lost or shared: the units on it are
parts of what it shows. `?unit=12,192-197` names the units that shall be looked for (none: those
that the register maps expect), `map=` the register map of all of them, and for a serial line
`baud=` and `parity=`. `rtu+tcp` is a serial line behind a server that passes frames through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from iolaus.kernel.errors import OperatorMust

SCHEMES: Final = ("modbus+tcp", "modbus+rtu", "modbus+rtu+tcp")
PORT: Final = 502
BAUDS: Final = (9_600, 19_200, 38_400, 57_600, 115_200)
MOST_UNIT: Final = 255
_HOST: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$")
_PATH: Final = re.compile(r"^/[A-Za-z0-9._/-]{1,200}$")
_MAP: Final = re.compile(r"^[a-z0-9-]{1,40}$")
_KNOWN: Final = frozenset({"unit", "map", "baud", "parity"})
Parity = Literal["N", "E", "O"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BusAddress:
    """`where` is a host (with `port`) or a device file (`port` 0); `units` empty: to be found.
    `baud` is the speed of the line that the units hang on, 0 where there is none."""

    scheme: str
    where: str
    port: int = 0
    units: tuple[int, ...] = ()
    map: str | None = None
    baud: int = 0
    parity: Parity = "N"

    @property
    def is_serial(self) -> bool:
        return self.scheme == "modbus+rtu"

    def __str__(self) -> str:
        """The one way to write it, which is the endpoint's key."""
        host = f"[{self.where}]" if ":" in self.where else self.where
        head = f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")
        default = 19_200 if self.is_serial else 0
        words = [
            f"unit={_ranges(self.units)}" if self.units else "",
            f"map={self.map}" if self.map else "",
            f"baud={self.baud}" if self.baud != default else "",
            f"parity={self.parity}" if self.parity != "N" else "",
        ]
        query = "&".join(filter(None, words))
        return f"{head}?{query}" if query else head


def is_modbus(address: str) -> bool:
    return address.partition("://")[0].lower() in SCHEMES


def parse_bus(text: str) -> BusAddress:
    """Raises `OperatorMust` with what is wrong; nothing is opened."""
    scheme = text.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise _bad(text, f"not one of {', '.join(SCHEMES)}")
    try:
        parts = urlsplit("//" + text.partition("://")[2])
        host, port = parts.hostname, parts.port
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise _bad(text, str(error)) from None
    if parts.username or parts.password or parts.fragment:
        raise _bad(text.split("@")[-1], "Modbus knows no user and no password")
    words = dict(query)
    if unknown := sorted(words.keys() - _KNOWN) or ([""] if len(words) < len(query) else []):
        raise _bad(text, f"`{unknown[0]}` is not known here, or is said twice")
    serial = scheme == "modbus+rtu"
    return BusAddress(
        scheme=scheme,
        where=_path(text, host, parts.path) if serial else _host(text, host, parts.path),
        port=0 if serial else (PORT if port is None else port),
        units=_units(text, words.get("unit", "")),
        map=_map(text, words.get("map")),
        baud=_baud(text, words.get("baud"), 19_200 if serial else 0),
        parity=_parity(text, words.get("parity", "N")),
    )


def _host(text: str, host: str | None, path: str) -> str:
    if not host or path not in ("", "/") or not (_HOST.match(host) or ":" in host):
        raise _bad(text, "not a host name or an address")
    return host


def _path(text: str, host: str | None, path: str) -> str:
    if host or not _PATH.match(path) or ".." in path:
        raise _bad(text, "a serial line is named by its device file, with three slashes")
    return path


def _units(text: str, said: str) -> tuple[int, ...]:
    found: set[int] = set()
    for item in filter(None, said.split(",")):
        low, dash, high = item.partition("-")
        if not low.isdigit() or (dash and not high.isdigit()) or len(item) > 7:
            raise _bad(text, f"`unit={said[:40]}` is no list like 12,192-197")
        if int(high or low) > MOST_UNIT or int(low) > int(high or low):
            raise _bad(text, f"a unit is 0 to {MOST_UNIT}")
        found.update(range(int(low), int(high or low) + 1))
    return tuple(sorted(found))


def _map(text: str, said: str | None) -> str | None:
    if said is not None and not _MAP.match(said):
        raise _bad(text, "`map` is the name of a register map")
    return said


def _baud(text: str, said: str | None, default: int) -> int:
    if said is None:
        return default
    if not said.isdigit() or len(said) > 7 or int(said) not in BAUDS:
        raise _bad(text, f"`baud` is one of {', '.join(map(str, BAUDS))}")
    return int(said)


def _parity(text: str, said: str) -> Parity:
    match said.upper():
        case "N":
            return "N"
        case "E":
            return "E"
        case "O":
            return "O"
    raise _bad(text, "`parity` is N, E or O")


def _ranges(units: tuple[int, ...]) -> str:
    runs: list[list[int]] = []
    for unit in units:
        if runs and runs[-1][-1] == unit - 1:
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return ",".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def _bad(text: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read target",
        subject=text[:200],
        code="BadTarget",
        next_step="name it as modbus+tcp://host[:502][?unit=12,192-197] or "
        "modbus+rtu:///dev/ttyUSB0?baud=19200; see docs/building.md.",
    )
