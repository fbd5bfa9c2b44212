"""Settings of the controller: each name of `ManagerSetting` is written by a request of its own.

A table says which property a name is and where; the URI comes with the fact that was read. One
request per setting, because controllers that refuse one property of a PATCH may drop the others
without a word, and a receipt shall mean one thing.

HTTPS is never switched off here: it is the way we came in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Any, Final

from iolaus.drivers.ports import Receipt, SettingValue, Writes
from iolaus.drivers.redfish._text import mapping
from iolaus.drivers.redfish.manager_settings import BOOT, PROTOCOLS
from iolaus.drivers.redfish.write import boot, syslog
from iolaus.drivers.redfish.write.exchange import patch
from iolaus.kernel.errors import OperatorMust, PolicyRefused

Setter = Callable[[Writes, str, Any], Awaitable[Receipt]]
"""(device, URI of the fact, value)"""


async def set_manager(device: Writes, name: str, value: SettingValue, *, uri: str) -> Receipt:
    setter, kind = _SETTERS.get(name, (None, None))
    if setter is None or kind is None:
        raise _wrong(device, name, "is not written as a setting", "give one of the settable names")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        said = _KINDS[kind]
        raise _wrong(device, name, f"takes {said}, not {value!r}", f"give {said}")
    return await setter(device, uri, value)


def _service(name: str) -> Setter:
    async def setter(device: Writes, uri: str, value: bool) -> Receipt:
        if name == "services.https" and not value:
            raise _would_lock_out(device, uri)
        return await patch(device, uri, {PROTOCOLS[name]: {"ProtocolEnabled": value}})

    return setter


async def _ntp(device: Writes, uri: str, value: bool) -> Receipt:
    return await patch(device, uri, {"NTP": {"ProtocolEnabled": value}})


async def _servers(device: Writes, uri: str, value: Any) -> Receipt:
    """Controllers with a fixed number of places keep what a shorter list does not name, so empty
    places are written as they show them."""
    seen = await device.get(uri)
    held = mapping(seen.body.get("NTP")).get("NTPServers")
    places = held if isinstance(held, list) else []
    empty = next((each for each in places if each in ("", None)), ...)
    more = [] if empty is ... else [empty] * (len(places) - len(value))
    return await patch(device, uri, {"NTP": {"NTPServers": [*value, *more]}}, seen=seen)


def _syslog(become: Callable[[Writes, Any], Awaitable[Receipt]]) -> Setter:
    async def setter(device: Writes, uri: str, value: Any) -> Receipt:
        del uri
        return await become(device, value)

    return setter


async def _threshold(device: Writes, uri: str, value: int) -> Receipt:
    return await patch(device, uri, {"AccountLockoutThreshold": value})


def _override(name: str) -> Setter:
    async def setter(device: Writes, uri: str, value: str) -> Receipt:
        return await boot.set_boot(device, uri, {BOOT[name]: value})

    return setter


async def _secure(device: Writes, uri: str, value: bool) -> Receipt:
    return await boot.set_secure_boot(device, uri, enabled=value)


_LIST: Final = (tuple, list)
_KINDS: Final[dict[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    str: "a text",
    _LIST: "a list of texts",
}
_SETTERS: Final = MappingProxyType[str, tuple[Setter, Any]](
    {
        **{name: (_service(name), bool) for name in PROTOCOLS},
        "ntp.enabled": (_ntp, bool),
        "ntp.servers": (_servers, _LIST),
        "syslog.host": (_syslog(syslog.set_host), str),
        "syslog.port": (_syslog(syslog.set_port), int),
        "syslog.tls": (_syslog(syslog.set_tls), bool),
        "accounts.lockoutThreshold": (_threshold, int),
        "boot.order": (boot.set_boot_order, _LIST),
        **{name: (_override(name), str) for name in BOOT},
        "secureBoot.enabled": (_secure, bool),
        "powerRestorePolicy": (boot.set_power_restore, str),
    }
)
SETTABLE: Final = frozenset(_SETTERS)
"""Every name but "accounts", whose members are changed one by one."""


def _wrong(device: Writes, name: str, message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        f"{name} {message}"[:300],
        operation=f"set {name}",
        subject=device.address,
        code="BadSetting",
        next_step=next_step,
    )


def _would_lock_out(device: Writes, uri: str) -> PolicyRefused:
    return PolicyRefused(
        "without HTTPS nothing could reach the device any more",
        operation="set services.https",
        subject=f"{device.address}{uri}",
        code="WouldLockOut",
        next_step="leave HTTPS on; switch it off at the machine if that must be",
    )
