"""Settings of the controller itself, under the names that a baseline uses.

Time, logs, open services, accounts and how the host starts stand in a dozen places of a Redfish
tree; here each becomes one fact with the URI where it is written. What a device does not show has
no fact, and what it shows and cannot be read has one without a value and with the reason: a
missing answer never becomes a default, because "off" and "not said" call for different deeds.

The names are fixed:

ntp.enabled  ntp.servers  syslog.host  syslog.port  syslog.tls  services.<protocol> (`PROTOCOLS`)
accounts (the enabled users, sorted)  accounts.lockoutThreshold  boot.order  boot.override.target
boot.override.enabled  boot.override.mode  secureBoot.enabled  powerRestorePolicy

Two facts need a word. Secure Boot is applied by the next start, so what runs
(`SecureBootCurrentBoot`) is the value and the switch is what is staged. Syslog is an event
subscription with a protocol of its own (EventDestination, `Protocol` SyslogTLS and its kin); a
service that never mentions syslog may well send it by its maker's own means, so there the host
is not known rather than "", which is none. Of one name there may be several facts, one for each
manager or host; the host proper, which has a BIOS, comes before a board beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from iolaus.drivers.ports import SettingValue
from iolaus.drivers.redfish._text import clean, mapping, texts
from iolaus.drivers.redfish.harvest import Harvest, links_in
from iolaus.model.asset import ManagerSetting

Payload = Mapping[str, Any]
PROTOCOLS: Final = MappingProxyType(
    {
        "services.http": "HTTP",
        "services.https": "HTTPS",
        "services.ssh": "SSH",
        "services.telnet": "Telnet",
        "services.ipmiOverLan": "IPMI",
        "services.kvmip": "KVMIP",
        "services.rdp": "RDP",
        "services.rfb": "RFB",
        "services.snmp": "SNMP",
        "services.ssdp": "SSDP",
        "services.virtualMedia": "VirtualMedia",
        "services.dhcp": "DHCP",
        "services.dhcpv6": "DHCPv6",
    }
)
"""Our name -> property of ManagerNetworkProtocol."""
NTP: Final = ("ntp.enabled", "ntp.servers")
HTTP_URI: Final = "HttpBootUri"
BOOT: Final = MappingProxyType(
    {
        "boot.override.target": "BootSourceOverrideTarget",
        "boot.override.enabled": "BootSourceOverrideEnabled",
        "boot.override.mode": "BootSourceOverrideMode",
        "boot.override.http_uri": HTTP_URI,
    }
)
SYSLOG_PORTS: Final = MappingProxyType(
    {"SyslogTLS": 6514, "SyslogTCP": 514, "SyslogUDP": 514, "SyslogRELP": 2514}
)
"""Protocol of an EventDestination -> the port where its URI names none (RFC 5424 and kin)."""
MOST_SERVERS: Final = 32
MOST_URI: Final = 2048
_FORBIDDEN: Final = re.compile(r"\bHTTP 40[13]\b")


class Syslog(NamedTuple):
    """Where a subscription sends syslog."""

    uri: str
    host: str
    port: int
    protocol: str


def read_manager_settings(
    harvest: Harvest, owner: Callable[[str], str]
) -> tuple[ManagerSetting, ...]:
    """All settings of all managers and hosts, by URI within each kind. Pure; never raises.
    `owner` gives "" for what no single asset claims: that is the endpoint's own (asset None)."""
    found = (
        *_networks(harvest),
        *_syslog(harvest),
        *_accounts(harvest),
        *_hosts(harvest),
        *_secure_boots(harvest),
    )
    return tuple(msgspec.structs.replace(each, asset=owner(each.uri) or None) for each in found)


def withheld(harvest: Harvest) -> frozenset[str]:
    """URIs of accounts that this login may not see (a read-only one sees its own alone, DSP0266
    section 13.4): no part of the machine is unread for that. Their facts say so."""
    services = [*links_in(harvest.root.get("AccountService"))]
    services += [uri for uri, _ in harvest.of_type("AccountService")]
    return frozenset(
        uri
        for uri, reason in harvest.gaps.items()
        if _FORBIDDEN.search(reason)
        and any(uri == each or uri.startswith(f"{each}/") for each in services)
    )


def _known(name: str, value: SettingValue, uri: str, kind: str) -> ManagerSetting:
    """A value of the right type, or none with the reason."""
    reason = f"{kind} is not reported as the schema has it" if value is None else ""
    return ManagerSetting(name=name, value=value, uri=uri, reason=reason)


def _unread(harvest: Harvest, link: object, names: Iterable[str]) -> Iterator[ManagerSetting]:
    """What would stand behind a link that could not be read."""
    for uri in links_in(link):
        if reason := harvest.gaps.get(uri):
            for name in names:
                yield ManagerSetting(name=name, value=None, uri=uri, reason=reason)


# --- time and services --------------------------------------------------------------------------


def _networks(harvest: Harvest) -> Iterator[ManagerSetting]:
    for uri, payload in harvest.of_type("ManagerNetworkProtocol"):
        for name, kind in PROTOCOLS.items():
            yield from _enabled(name, payload.get(kind), uri, kind)
        yield from _enabled("ntp.enabled", payload.get("NTP"), uri, "NTP")
        if "NTPServers" in (ntp := mapping(payload.get("NTP"))):
            servers = words(ntp["NTPServers"], MOST_SERVERS)
            yield _known("ntp.servers", servers, uri, "NTPServers")
    for _, manager in harvest.of_type("Manager"):
        yield from _unread(harvest, manager.get("NetworkProtocol"), (*PROTOCOLS, *NTP))


def _enabled(name: str, held: object, uri: str, kind: str) -> Iterator[ManagerSetting]:
    if not isinstance(held, Mapping):
        return
    switch = held.get("ProtocolEnabled")
    value = switch if isinstance(switch, bool) else None
    if value is not None or "ProtocolEnabled" in held:
        yield _known(name, value, uri, f"{kind}/ProtocolEnabled")


def words(value: object, limit: int = 64) -> tuple[str, ...] | None:
    """The words of a list, empty places left out; None for what is no list of words."""
    if not isinstance(value, list | tuple):
        return None
    if not all(each is None or isinstance(each, str) for each in value):
        return None
    return tuple(word for each in value[:limit] if (word := clean(each)))


# --- syslog -------------------------------------------------------------------------------------


def syslog_of(uri: str, payload: Payload) -> Syslog | None:
    """A subscription's syslog receiver; None for any other subscription."""
    protocol = clean(payload.get("Protocol"), 32)
    if protocol not in SYSLOG_PORTS:
        return None
    written = clean(payload.get("Destination"), 512)
    try:
        parts = urlsplit(written if "://" in written else f"syslog://{written}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    return Syslog(uri, host, port or SYSLOG_PORTS[protocol], protocol) if host else None


def mentions_syslog(payload: Payload) -> bool:
    """Whether the event service says anywhere that it knows syslog."""
    return "syslog" in str(payload).lower()


def _syslog(harvest: Harvest) -> Iterator[ManagerSetting]:
    receivers = [
        found
        for uri, payload in harvest.of_type("EventDestination")
        if (found := syslog_of(uri, payload)) is not None
    ]
    for found in receivers[:1]:
        yield ManagerSetting(name="syslog.host", value=found.host, uri=found.uri)
        yield ManagerSetting(name="syslog.port", value=found.port, uri=found.uri)
        tls = found.protocol == "SyslogTLS"
        yield ManagerSetting(name="syslog.tls", value=tls, uri=found.uri)
    for _, service in harvest.of_type("EventService") if not receivers else ():
        link = service.get("Subscriptions")
        yield from _unread(harvest, link, ("syslog.host",))
        for uri in links_in(link):
            if uri in harvest.collections:
                reason = "no subscription sends syslog, and the service mentions none"
                none, told = ("", "") if mentions_syslog(service) else (None, reason)
                yield ManagerSetting(name="syslog.host", value=none, uri=uri, reason=told)


# --- accounts -----------------------------------------------------------------------------------


def _accounts(harvest: Harvest) -> Iterator[ManagerSetting]:
    for uri, service in harvest.of_type("AccountService"):
        if "AccountLockoutThreshold" in service:
            most = service["AccountLockoutThreshold"]
            number = most if isinstance(most, int) and not isinstance(most, bool) else None
            name = "accounts.lockoutThreshold"
            yield _known(name, number, uri, "AccountLockoutThreshold")
        yield from _unread(harvest, service.get("Accounts"), ("accounts",))
        for place in links_in(service.get("Accounts")):
            if place in harvest.collections:
                yield _users(harvest, place)
    names = ("accounts", "accounts.lockoutThreshold")
    yield from _unread(harvest, harvest.root.get("AccountService"), names)


def _users(harvest: Harvest, place: str) -> ManagerSetting:
    """The enabled users, or why that list would not be whole."""
    users: set[str] = set()
    for uri in harvest.collections[place]:
        account = harvest.resources.get(uri)
        if account is None:
            reason = harvest.gaps.get(uri, "not read")
            return ManagerSetting(name="accounts", value=None, uri=place, reason=f"{uri}: {reason}")
        name, enabled = clean(account.get("UserName"), 128), account.get("Enabled")
        if name and not isinstance(enabled, bool):
            reason = f"{uri} does not say whether it is enabled"
            return ManagerSetting(name="accounts", value=None, uri=place, reason=reason)
        users |= {name} if name and enabled else set()
    unlisted = [uri for uri in harvest.gaps if uri.startswith(f"{place}/")]
    if unlisted:
        reason = f"{unlisted[0]}: {harvest.gaps[unlisted[0]]}"
        return ManagerSetting(name="accounts", value=None, uri=place, reason=reason)
    return ManagerSetting(name="accounts", value=tuple(sorted(users)), uri=place)


# --- how a host starts --------------------------------------------------------------------------


def _hosts(harvest: Harvest) -> Iterator[ManagerSetting]:
    systems = harvest.of_type("ComputerSystem")
    for uri, system in sorted(systems, key=lambda found: "Bios" not in found[1]):
        boot = mapping(system.get("Boot"))
        if "BootOrder" in boot:
            yield _known("boot.order", words(boot["BootOrder"]), uri, "BootOrder")
        for name, kind in BOOT.items():
            if kind in boot:
                yield _known(name, _override(boot[kind], kind), uri, kind)
        if "PowerRestorePolicy" in system:
            policy = clean(system["PowerRestorePolicy"], 64) or None
            yield _known("powerRestorePolicy", policy, uri, "PowerRestorePolicy")


def _override(told: object, kind: str) -> str | None:
    """A machine that names nothing to fetch says that."""
    if kind == HTTP_URI and told in (None, ""):
        return ""
    return clean(told, MOST_URI) or None


def _secure_boots(harvest: Harvest) -> Iterator[ManagerSetting]:
    for uri, payload in harvest.of_type("SecureBoot"):
        yield _secure_boot(uri, payload)
    for _, system in harvest.of_type("ComputerSystem"):
        yield from _unread(harvest, system.get("SecureBoot"), ("secureBoot.enabled",))


def _secure_boot(uri: str, payload: Payload) -> ManagerSetting:
    name, switch = "secureBoot.enabled", payload.get("SecureBootEnable")
    wanted = switch if isinstance(switch, bool) else None
    runs = {"Enabled": True, "Disabled": False}.get(clean(payload.get("SecureBootCurrentBoot"), 32))
    if runs is None:
        return _known(name, wanted, uri, "SecureBootEnable")
    differs = wanted is not None and wanted != runs
    mode = texts(payload.get("SecureBootMode"))
    reason = f"SecureBootMode is {mode[0]}" if differs and mode else ""
    staged = wanted if differs else None
    return ManagerSetting(name=name, value=runs, uri=uri, staged=staged, reason=reason)
