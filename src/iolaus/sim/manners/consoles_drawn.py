"""How a machine says that its hosts have a serial console, and how one gets to it.

Makers with a console port of their own (2200 and up) let a client straight to the host's line;
the others have one command line of the controller, on which a word leads to the host and a key
leads back. While nobody serves consoles the service is shown as not enabled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]
WORDS: Final[Mapping[str, str]] = {
    "Dell": "console com2",
    "HPE": "vsp",
    "Lenovo": "console {n}",
    "Supermicro": "start /system1/sol1",
}
SHARED_PORT, OWN_PORT = 22, 2200
SESSIONS: Final = 4
LEAVE: Final = "\x1c"
LEAVE_SHOWN: Final = "^\\ (Ctrl and backslash)"
SINCE: Final = (1, 13)
ACCOUNT_TYPES: Final = ("Redfish", "ManagerConsole", "HostConsole")


def draw(found: Mapping[str, Json]) -> None:
    """Every host that can be switched, of a schema that knows of consoles."""
    hosts = [body for body in found.values() if _is_host(body)]
    for number, body in enumerate(hosts, start=1):
        body.setdefault("SerialConsole", console(body, number=number))
    for body in found.values() if hosts else ():
        if str(body.get("@odata.type")).startswith("#ManagerAccount."):
            body["AccountTypes"] = list(ACCOUNT_TYPES)


def console(host: Json, *, number: int) -> Json:
    maker = str(host.get("Manufacturer"))
    word = next((word for name, word in WORDS.items() if maker.startswith(name)), None)
    ssh: Json = {"ServiceEnabled": False, "SharedWithManagerCLI": word is not None}
    if word is None:
        ssh["Port"] = OWN_PORT + number - 1
    else:
        ssh |= {
            "Port": SHARED_PORT,
            "ConsoleEntryCommand": word.format(n=number),
            "HotKeySequenceDisplay": LEAVE_SHOWN,
        }
    return {"MaxConcurrentSessions": SESSIONS, "SSH": ssh}


def _is_host(body: Json) -> bool:
    kind, _, version = str(body.get("@odata.type")).lstrip("#").partition(".v")
    if kind != "ComputerSystem" or "#ComputerSystem.Reset" not in (body.get("Actions") or {}):
        return False
    major, minor, *_ = version.split("_")
    return (int(major), int(minor)) >= SINCE
