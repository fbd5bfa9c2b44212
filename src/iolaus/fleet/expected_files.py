"""Lists of expected hardware: read as baselines are, every complaint with its place.

Makers ship a list with each delivery, as a table with a column for the factory password. That
table is read here, too; the passwords leave it at once, for the credential store, and the list
that remains names them only.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.fleet.document import (
    MAX_BYTES,
    BadFile,
    Complaint,
    Document,
    parse_as,
    parse_documents,
)
from iolaus.model.expected import MOST_NODES, ExpectedHardware, ExpectedNode

PAGE: Final = "docs/onboarding.md"
KIND: Final = "ExpectedHardware"
MOST_COLUMNS: Final = 64
_Path = tuple[str | int, ...]
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "serial": ("serial", "serialnumber", "servicetag", "sn", "systemserial", "chassisserial"),
    "name": ("name", "hostname", "nodename"),
    "make": ("make", "vendor", "manufacturer"),
    "model": ("model", "product", "productname", "systemmodel"),
    "uuid": ("uuid", "systemuuid"),
    "mac": ("mac", "bmcmac", "bmcmacaddress", "idracmac", "ilomac", "xccmac", "ipmimac",
            "managementmac", "mgmtmac", "macaddress"),
    "address": ("address", "bmcaddress", "bmcip", "ip", "ipaddress", "ipmiaddress"),
    "fingerprint": ("fingerprint", "certificatesha256"),
    "user": ("user", "username", "bmcuser", "bmcusername", "defaultuser", "defaultusername",
             "login", "ipmiuser"),
    "password": ("password", "bmcpassword", "defaultpassword", "idracpassword", "ilopassword",
                 "factorypassword", "ipmipassword", "uniquepassword"),
    "role": ("role",),
    "rack": ("rack", "rackname", "cabinet"),
    "unit": ("unit", "u", "rackunit", "position", "ru"),
    "slot": ("slot",),
    "baseline": ("baseline",),
}  # fmt: skip
"""Our names of a column, and what makers write over theirs (letters and digits only)."""


class FactoryLogin(NamedTuple):
    """A login that came with a delivery, and the name that it gets in the credential store."""

    name: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"FactoryLogin(name={self.name!r}, user={self.user!r}, password=...)"


class Delivered(NamedTuple):
    """What a table says: the nodes, without any password, and the logins."""

    nodes: tuple[ExpectedNode, ...]
    logins: tuple[FactoryLogin, ...]


def is_expected(document: Document) -> bool:
    return isinstance(document.value, dict) and document.value.get("kind") == KIND


def read_expected(text: str, *, source: str) -> list[ExpectedHardware]:
    """All lists of a text, wholly checked. Raises `BadFile` with line and column."""
    return [parse_expected(each) for each in parse_documents(text, source=source)]


def parse_expected(document: Document) -> ExpectedHardware:
    """Raises `BadFile` with every complaint."""
    found = parse_as(document, ExpectedHardware, page=PAGE)
    wrong = [document.wrong(path, message, step) for path, message, step in wrong_with(found)]
    if wrong:
        raise BadFile(document.source, sorted(wrong))
    return found


def wrong_with(found: ExpectedHardware) -> Iterator[tuple[_Path, str, str]]:
    """What types cannot say: where, what, and the next step."""
    counts = {name: Counter[str]() for name in ("serial", "name", "mac", "address", "uuid")}
    for number, node in enumerate(found.spec.nodes):
        for field, told in counts.items():
            value = _folded(str(getattr(node, field) or ""))
            told[value] += 1
            if value and told[value] == 2:
                path: _Path = ("spec", "nodes", number, field)
                yield path, f"{getattr(node, field)!r} stands here twice", "Keep one of them."
    handover = found.spec.handover
    if handover.to == "ironic" and handover.url is None:
        yield ("spec", "handover"), "'url' is missing", "Write the address of Ironic's API."
    if handover.to not in ("ironic", "http-boot") and handover.url is not None:
        yield ("spec", "handover", "url"), "only ironic and http-boot have one", "Leave it out."


def read_table(text: str, *, source: str, name: str) -> Delivered:
    """A table as makers ship it (comma, semicolon or tab; the first line names the columns), for
    the list `name`. Raises `BadFile` with line and column of each complaint."""
    if len(text) > MAX_BYTES:
        raise BadFile(source, [Complaint(1, 1, "it is larger than 4 MiB", "Split the file.")])
    text = text.removeprefix("\ufeff")
    head = text.partition("\n")[0]
    mark = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    complaints: list[Complaint] = []
    nodes: list[ExpectedNode] = []
    logins: list[FactoryLogin] = []
    try:
        columns = _columns(next(reader, []), source)
        for row in reader:
            if any(cell.strip() for cell in row):
                _take(row, columns, reader.line_num, name, nodes, logins, complaints)
    except csv.Error as error:
        complaints.append(Complaint(reader.line_num or 1, 1, str(error), "Correct the line."))
    if not nodes and not complaints:
        complaints.append(Complaint(1, 1, "it names no node", "Write one line for each."))
    if len(nodes) > MOST_NODES:
        complaints.append(Complaint(1, 1, f"more than {MOST_NODES} nodes", "Split the file."))
    if complaints:
        raise BadFile(source, complaints[:20])
    return Delivered(tuple(nodes), tuple(logins))


def _columns(head: list[str], source: str) -> dict[str, int]:
    known = {word: ours for ours, theirs in COLUMNS.items() for word in theirs}
    found: dict[str, int] = {}
    for at, title in enumerate(head[:MOST_COLUMNS]):
        ours = known.get(_folded(title))
        if ours is not None:
            found.setdefault(ours, at)
    if "serial" not in found:
        step = f"Name one of: {', '.join(COLUMNS['serial'])}."
        raise BadFile(source, [Complaint(1, 1, "no column holds the serial", step)])
    if ("user" in found) != ("password" in found):
        here, gone = ("user", "password") if "user" in found else ("password", "user")
        told = f"a column holds each {here} and none the {gone}"
        step = f"Add a column of the {gone}, or leave that one out."
        raise BadFile(source, [Complaint(1, found[here] + 1, told, step)])
    return found


def _take(
    row: list[str],
    columns: Mapping[str, int],
    line: int,
    name: str,
    nodes: list[ExpectedNode],
    logins: list[FactoryLogin],
    complaints: list[Complaint],
) -> None:
    cells = {ours: row[at].strip() for ours, at in columns.items() if at < len(row)}
    said: dict[str, Any] = {k: v for k, v in cells.items() if v and k not in ("user", "password")}
    if (unit := said.get("unit", "")) and str(unit).lstrip("uU").isdecimal():
        said["unit"] = int(str(unit).lstrip("uU"))
    login = None
    if cells.get("user") and cells.get("password"):
        called = f"factory.{name}.{_safe(cells.get('serial', ''))}"[:64]
        login = FactoryLogin(called, cells["user"], cells["password"])
        said["credential"] = login.name
    try:
        nodes.append(msgspec.convert(said, ExpectedNode))
    except msgspec.ValidationError as error:
        where = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else "serial"
        at = 1 + columns.get(where, 0)
        told = f"{where}: {str(error).partition(' - at')[0]}".replace("`", "")
        complaints.append(Complaint(line, at, told, f"Correct it; see {PAGE}."))
        return
    if login is not None:
        logins.append(login)


def _folded(text: str) -> str:
    return "".join(each for each in text.lower() if each.isalnum())


def _safe(text: str) -> str:
    return "".join(each if each.isascii() and each.isalnum() else "-" for each in text)
