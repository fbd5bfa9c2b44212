"""How well an endpoint is closed: read-only checks over what it says and what it shows. Pure.

Every check gives one finding: sound, weak, or unknown with the reason. What a device does not say
is unknown and never sound. What it says of itself (services, time, accounts) is its own word; what
anybody can see without a login (certificate, TLS, open paths) was looked at from outside. Each
weak finding says what to do, in the words of a baseline where a baseline can do it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from iolaus.model.asset import ManagerSetting, Report
from iolaus.model.surface import Shown, Surface

SOON_S: Final = 30 * 86_400.0
LEAST_RSA: Final = 2048
LEAST_EC: Final = 224
WEAK_HASHES: Final = ("md5", "sha1")
OLD_TLS: Final = ("TLSv1", "TLSv1.1")
OPEN: Final = range(200, 300)


class State(StrEnum):
    SOUND = "sound"
    WEAK = "weak"
    UNKNOWN = "unknown"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. `check` is a stable word; `severity` "high", "medium" or "low"."""

    check: str
    state: State
    severity: str
    message: str
    next_step: str = ""
    uri: str = ""


class _Service(msgspec.Struct, frozen=True):
    setting: str
    check: str
    severity: str
    why: str


SERVICES: Final = (
    _Service("services.ipmiOverLan", "ipmi-over-lan", "high", "IPMI over LAN gives out hashes of "
             "passwords before a login (RAKP)"),
    _Service("services.telnet", "telnet", "high", "Telnet carries passwords in the open"),
    _Service("services.http", "http", "medium", "plain HTTP is open"),
    _Service("services.rfb", "vnc", "medium", "VNC is open"),
    _Service("services.snmp", "snmp", "medium", "SNMP is open; its older versions know no secret"),
    _Service("services.ssh", "ssh", "low", "SSH is open"),
    _Service("services.kvmip", "kvm", "low", "the remote console (KVM) is open"),
    _Service("services.virtualMedia", "virtual-media", "low", "virtual media is open"),
    _Service("services.ssdp", "ssdp", "low", "SSDP announces the controller"),
)  # fmt: skip
ORDER: Final = (State.WEAK, State.UNKNOWN, State.SOUND)
SEVERITIES: Final = ("high", "medium", "low")


def judge(
    address: str,
    report: Report | None,
    surface: Surface | None,
    *,
    now: float,
    shared: Mapping[str, int] | None = None,
) -> tuple[Check, ...]:
    """All findings of one endpoint, what is worst first. `shared` says how many endpoints show
    the certificate of a fingerprint."""
    found = [*_settings(report), *_surface(address, surface, now, shared or {})]
    return tuple(
        sorted(found, key=lambda c: (ORDER.index(c.state), SEVERITIES.index(c.severity), c.check))
    )


def _weak(check: str, severity: str, message: str, next_step: str, uri: str = "") -> Check:
    return Check(check=check, state=State.WEAK, severity=severity, message=message,
                 next_step=next_step, uri=uri)  # fmt: skip


def _sound(check: str, severity: str, message: str, uri: str = "") -> Check:
    return Check(check=check, state=State.SOUND, severity=severity, message=message, uri=uri)


def _unknown(check: str, severity: str, why: str, next_step: str = "", uri: str = "") -> Check:
    return Check(check=check, state=State.UNKNOWN, severity=severity, message=why,
                 next_step=next_step, uri=uri)  # fmt: skip


# --- what the controller says of itself ---------------------------------------------------------


def _settings(report: Report | None) -> Iterator[Check]:
    held: dict[str, list[ManagerSetting]] = {}
    for each in report.manager_settings if report else ():
        held.setdefault(each.name, []).append(each)
    for service in SERVICES:
        name = service.setting.partition(".")[2]
        step = f"bring it off with a baseline: bmc: {{services: {{{name}: false}}}}"
        yield _switch(
            service.check, service.severity, held.get(service.setting), (service.why, step)
        )
    yield _cipher_zero(held.get("services.ipmiOverLan"))
    yield _time(held.get("ntp.enabled"), held.get("ntp.servers"))
    yield _syslog(held.get("syslog.host"), held.get("syslog.tls"))
    yield _lockout(held.get("accounts.lockoutThreshold"))
    yield _secure_boot(held.get("secureBoot.enabled"))


def _switch(
    check: str, severity: str, found: Sequence[ManagerSetting] | None, words: tuple[str, str]
) -> Check:
    """A service that should be off; `words` are why, and what to do."""
    if not found:
        return _unknown(check, severity, "the controller does not show whether it is open")
    is_on = next((each for each in found if each.value is True), None)
    if is_on is not None:
        return _weak(check, severity, words[0], words[1], is_on.uri)
    if all(each.value is False for each in found):
        return _sound(check, severity, "it is off", found[0].uri)
    unread = next(each for each in found if each.value is not False)
    return _unknown(check, severity, unread.reason or "its value is not known", uri=unread.uri)


def _cipher_zero(ipmi: Sequence[ManagerSetting] | None) -> Check:
    """Cipher suite 0 lets anybody in without a password; Redfish does not show suites."""
    if ipmi and all(each.value is False for each in ipmi):
        return _sound("cipher-zero", "high", "IPMI over LAN is off", ipmi[0].uri)
    why = "Redfish does not show the cipher suites of IPMI"
    step = "turn IPMI over LAN off, or look with: ipmitool -H HOST lan print 1"
    return _unknown("cipher-zero", "high", why, step)


def _time(
    enabled: Sequence[ManagerSetting] | None, servers: Sequence[ManagerSetting] | None
) -> Check:
    step = "set it with a baseline: bmc: {ntp: [SERVER, SERVER]}"
    if (off := _first(enabled, False)) is not None:
        why = "its clock is set by nobody (NTP is off): its logs and certificates cannot be dated"
        return _weak("time-sync", "medium", why, step, off.uri)
    if (none := _first(servers, ())) is not None:
        return _weak("time-sync", "medium", "no time server is named", step, none.uri)
    known = [each for each in servers or () if each.value]
    if known and _first(enabled, True) is not None:
        return _sound("time-sync", "medium", f"from {', '.join(_words(known[0].value))}")
    return _unknown("time-sync", "medium", "the controller does not show who sets its clock", step)


def _syslog(host: Sequence[ManagerSetting] | None, tls: Sequence[ManagerSetting] | None) -> Check:
    step = "set it with a baseline: bmc: {syslog: {host: HOST, tls: true}}"
    if (none := _first(host, "")) is not None:
        why = "its log goes nowhere: whoever takes it over can remove what it says"
        return _weak("event-forwarding", "medium", why, step, none.uri)
    known = next((each for each in host or () if each.value), None)
    if known is None:
        why = (host[0].reason if host else "") or "the controller does not show where its log goes"
        return _unknown("event-forwarding", "medium", why, step)
    if (plain := _first(tls, False)) is not None:
        return _weak("event-forwarding", "low", f"its log goes to {known.value} in the open", step,
                     plain.uri)  # fmt: skip
    return _sound("event-forwarding", "medium", f"its log goes to {known.value}", known.uri)


def _lockout(found: Sequence[ManagerSetting] | None) -> Check:
    step = "set it with a baseline: bmc: {accounts: {lockoutThreshold: 5}}"
    known = next((each for each in found or () if isinstance(each.value, int)), None)
    if known is None:
        return _unknown("lockout", "medium", "it does not show after how many failures it locks")
    if known.value == 0:
        why = "passwords can be tried without end"
        return _weak("lockout", "medium", why, step, known.uri)
    return _sound("lockout", "medium", f"it locks after {known.value} failures", known.uri)


def _secure_boot(found: Sequence[ManagerSetting] | None) -> Check:
    if (off := _first(found, False)) is not None:
        step = "set it with a baseline: security: {secureBoot: required}"
        return _weak("secure-boot", "medium", "a host starts unsigned code", step, off.uri)
    if (on := _first(found, True)) is not None:
        return _sound("secure-boot", "medium", "hosts start signed code only", on.uri)
    return _unknown("secure-boot", "medium", "it does not show whether hosts start signed code")


def _first(found: Sequence[ManagerSetting] | None, value: Any) -> ManagerSetting | None:
    same = (e for e in found or () if type(e.value) is type(value) and e.value == value)
    return next(same, None)


def _words(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, tuple | list) else [str(value)]


# --- what it shows to anybody -------------------------------------------------------------------


def _surface(
    address: str, surface: Surface | None, now: float, shared: Mapping[str, int]
) -> Iterator[Check]:
    if not address.startswith("https://"):
        step = "reach it by https:// (iolaus discover https://...)"
        yield _weak("tls", "high", "it is read over plain HTTP", step)
    elif surface is None or surface.error or surface.certificate is None:
        why = (surface.error if surface else "") or "it has not been looked at from outside yet"
        for check in ("certificate", "tls"):
            yield _unknown(check, "high", why)
    else:
        yield from _certificate(surface.certificate, now, shared)
        yield _tls(surface.versions)
    yield _open_paths(surface)


def _certificate(shown: Shown, now: float, shared: Mapping[str, int]) -> Iterator[Check]:
    step = "put in a certificate of your own authority"
    wrong = list(_wrong_certificate(shown, now, shared))
    for severity, why in wrong:
        yield _weak("certificate", severity, why, step)
    if not wrong:
        until = datetime.fromtimestamp(shown.not_after, UTC).date().isoformat()
        yield _sound("certificate", "high", f"issued by {shown.issuer}, until {until}")


def _wrong_certificate(
    shown: Shown, now: float, shared: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    if (count := shared.get(shown.fingerprint, 1)) > 1:
        yield "high", f"{count} controllers show this certificate: it is the maker's default"
    if shown.own:
        yield "medium", "it signed itself: nobody vouches for it"
    if shown.not_after < now:
        yield "medium", f"it ended {_day(shown.not_after)}"
    elif shown.not_after < now + SOON_S:
        yield "low", f"it ends {_day(shown.not_after)}"
    if shown.not_before > now:
        yield "low", f"it begins {_day(shown.not_before)}"
    kind, _, bits = shown.key.partition("-")
    least = {"rsa": LEAST_RSA, "ec": LEAST_EC}.get(kind, 0)
    if bits.isdigit() and int(bits) < least:
        yield "high", f"its key is too short ({shown.key})"
    if shown.hashed in WEAK_HASHES:
        yield "medium", f"it is signed with {shown.hashed}"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _tls(versions: Mapping[str, bool | None]) -> Check:
    taken = [name for name, took in versions.items() if took]
    if old := [name for name in OLD_TLS if name in taken]:
        step = "turn it off in the controller's TLS settings, or update its firmware"
        return _weak("tls", "medium", f"it takes {' and '.join(old)} (RFC 8996)", step)
    if untried := [name for name in OLD_TLS if versions.get(name) is None]:
        why = f"{' and '.join(untried)} could not be tried from this machine"
        return _unknown("tls", "medium", why)
    return _sound("tls", "medium", f"it takes {', '.join(taken)} only")


def _open_paths(surface: Surface | None) -> Check:
    paths = surface.paths if surface else {}
    opened = [path for path, status in paths.items() if status in OPEN]
    if opened:
        why = f"{', '.join(opened)} can be read without a login (against DSP0266 section 13.3.1)"
        step = "require a login in its settings, update its firmware, and keep its network apart"
        return _weak("open-paths", "high", why, step, opened[0])
    told = [path for path, status in paths.items() if status is not None and status < 500]
    if not told:
        return _unknown("open-paths", "high", "nothing was asked without a login yet")
    if len(told) < len(paths):
        why = f"{len(paths) - len(told)} of {len(paths)} paths gave no answer without a login"
        return _unknown("open-paths", "high", why)
    refused = [path for path in told if paths[path] in (401, 403)]
    return _sound("open-paths", "high", f"{len(refused)} of {len(paths)} paths ask for a login")
