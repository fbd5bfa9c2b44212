"""What an operator may name as a target, and what it means.

`https://host[:port]`, `host`, `host:port`, an address, a CIDR range, or a host range like
`bmc-r[01-16]`; `http://` only behind its explicit switch. A hosts file is a list of addresses with
names, labels and pins. Everything becomes a `Target`; its normalised address is the endpoint's key.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.model.endpoint import Mode, Target
from iolaus.wire.modbus.address import is_modbus, parse_bus

MAX_RANGE: Final = 65_536
_NAME: Final = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
_BRACKET: Final = re.compile(r"\[([0-9,\-]+)\]")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FINGERPRINT: Final = re.compile(r"^[0-9a-f]{64}$")
_KNOWN: Final = frozenset(
    {"address", "name", "labels", "fingerprint", "credential", "mode", "also"}
)


def parse_target(text: str, *, allow_http: bool = False) -> tuple[list[Target], bool]:
    """The targets that one word names, and whether it named them one by one.

    A range's silent addresses are nobody's fault; an address that was named and is silent is a
    fact worth keeping. Raises `OperatorMust` for what cannot be read, `PolicyRefused` for plain
    HTTP without its switch.
    """
    text = text.strip()
    if "/" in text and "://" not in text and _is_network(text):
        return [Target(address=f"https://{_bracket(ip)}") for ip in _hosts(text)], False
    hosts = list(_expand(text))
    return [Target(address=normalise(host, allow_http=allow_http)) for host in hosts], len(
        hosts
    ) == 1


def normalise(text: str, *, allow_http: bool = False) -> str:
    """`https://host[:port]`, lower case, without the default port, path or user; a Modbus bus
    as `wire.modbus.address` writes it."""
    if is_modbus(text):
        return str(parse_bus(text))
    scheme, _, rest = text.partition("://") if "://" in text else ("https", "", text)
    if scheme not in ("https", "http"):
        raise _bad(text, f'"{scheme}" is not a protocol that Iolaus speaks to a target')
    if scheme == "http" and not allow_http:
        raise PolicyRefused(
            "plain http would send the password unencrypted",
            operation="read target",
            subject=text,
            code="PlainHttpRefused",
            next_step="use https://, or add --allow-http if you accept that.",
        )
    try:
        parts = urlsplit(f"{scheme}://{_bracket_bare_ipv6(rest)}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _bad(text, str(error)) from None
    if parts.username or parts.password:
        raise _bad(text.split("@")[-1], "a target carries no user or password")
    if not host or not _is_host(host) or parts.path not in ("", "/") or parts.query:
        raise _bad(text, "not a host name, an address, a URL or a CIDR range")
    default = 443 if scheme == "https" else 80
    return f"{scheme}://{_bracket(host)}" + (f":{port}" if port and port != default else "")


def load_hosts(path: Path, *, allow_http: bool = False) -> list[Target]:
    """Read a hosts file. Raises `OperatorMust` with the entry that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorMust(
            f"cannot be read: {error}",
            operation="read hosts file",
            subject=str(path),
            next_step="check the path and its permissions.",
        ) from None
    return parse_hosts(text, subject=str(path), allow_http=allow_http)


def parse_hosts(text: str, *, subject: str, allow_http: bool = False) -> list[Target]:
    """Hosts of a YAML document `{kind: Hosts, hosts: [...]}`, or one target a line."""
    try:
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506  a safe loader, the fast one
    except yaml.YAMLError as error:
        raise _bad_file(subject, f"not YAML: {error}") from None
    if isinstance(document, str):
        lines = [line.split("#")[0].strip() for line in text.splitlines()]
        return [t for line in lines if line for t in parse_target(line, allow_http=allow_http)[0]]
    entries = document.get("hosts") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise _bad_file(subject, "no list `hosts:`")
    return [
        _entry(entry, index, subject=subject, allow_http=allow_http)
        for index, entry in enumerate(entries, 1)
    ]


def _entry(entry: Any, index: int, *, subject: str, allow_http: bool) -> Target:
    if isinstance(entry, str):
        entry = {"address": entry}
    where = f"entry {index}"
    if not isinstance(entry, dict) or not isinstance(entry.get("address"), str):
        raise _bad_file(subject, f"{where} has no `address`")
    if unknown := sorted(str(key) for key in set(entry) - _KNOWN):
        raise _bad_file(subject, f"{where}: unknown key `{unknown[0]}`")
    fingerprint = str(entry.get("fingerprint") or "").lower().replace(":", "")
    if fingerprint and not _FINGERPRINT.match(fingerprint):
        raise _bad_file(subject, f"{where}: `fingerprint` is not a SHA-256 in hex")
    labels = entry.get("labels") or {}
    if not isinstance(labels, dict):
        raise _bad_file(subject, f"{where}: `labels` is not a mapping")
    try:
        mode = Mode(entry.get("mode") or Mode.READ_ONLY)
    except ValueError:
        raise _bad_file(subject, f"{where}: `mode` is read-only or managed") from None
    also = entry.get("also") or []
    if not isinstance(also, list) or not all(isinstance(each, str) for each in also):
        raise _bad_file(subject, f"{where}: `also` is not a list of addresses")
    return Target(
        address=normalise(entry["address"], allow_http=allow_http),
        also=tuple(str(parse_bus(each)) for each in also),
        name=str(entry["name"]) if entry.get("name") else None,
        labels={str(key): str(value) for key, value in labels.items()},
        fingerprint=fingerprint or None,
        credential=str(entry["credential"]) if entry.get("credential") else None,
        mode=mode,
    )


def unique(targets: Iterable[Target]) -> list[Target]:
    """One target an address; a later entry adds to an earlier one and never empties it."""
    merged: dict[str, Target] = {}
    for target in targets:
        known = merged.get(target.address)
        merged[target.address] = target if known is None else _merge(known, target)
    return list(merged.values())


def _merge(old: Target, new: Target) -> Target:
    return Target(
        address=old.address,
        name=new.name or old.name,
        labels={**old.labels, **new.labels},
        fingerprint=new.fingerprint or old.fingerprint,
        credential=new.credential or old.credential,
        mode=old.mode if new.mode is Mode.READ_ONLY else new.mode,
        also=tuple(dict.fromkeys((*old.also, *new.also))),
    )


def _expand(text: str) -> Iterator[str]:
    """`r[01-03]` -> r01 r02 r03; brackets of an IPv6 literal are left alone."""
    parts = _BRACKET.split(text)
    if len(parts) == 1:
        yield text
        return
    choices = [[part] if i % 2 == 0 else list(_numbers(part, text)) for i, part in enumerate(parts)]
    size = 1
    for choice in choices:
        size *= len(choice)
    if size > MAX_RANGE:
        raise _bad(text, f"names {size} hosts; at most {MAX_RANGE} at once")
    for combination in product(*choices):
        yield "".join(combination)


def _numbers(spec: str, text: str) -> Iterator[str]:
    for item in spec.split(","):
        low, dash, high = item.partition("-")
        if not low.isdigit() or (dash and not high.isdigit()) or int(high or low) < int(low):
            raise _bad(text, f'"[{spec}]" is not a range like [01-16] or [1,4,7]')
        if int(high or low) - int(low) >= MAX_RANGE:
            raise _bad(text, f"more than {MAX_RANGE} hosts at once")
        for number in range(int(low), int(high or low) + 1):
            yield str(number).zfill(len(low))


def _is_network(text: str) -> bool:
    head = text.split("/")[0]
    return ":" in head or head.replace(".", "").isdigit()


def _hosts(text: str) -> Iterator[str]:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise _bad(text, str(error)) from None
    if network.num_addresses > MAX_RANGE:
        raise _bad(text, f"{network.num_addresses} addresses; at most {MAX_RANGE} at once")
    return (str(ip) for ip in network.hosts())


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        dotted_quad = host.replace(".", "").isdigit() and "." in host
        return bool(_NAME.match(host)) and len(host) <= 253 and not dotted_quad
    return True


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _bracket_bare_ipv6(text: str) -> str:
    return f"[{text}]" if text.count(":") > 1 and "[" not in text and "/" not in text else text


def _bad(text: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read target",
        subject=text,
        code="BadTarget",
        next_step="name it as https://host[:port], host, or a range like 10.3.0.0/24.",
    )


def _bad_file(subject: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read hosts file",
        subject=subject,
        code="BadHostsFile",
        next_step="see docs/cli.md, hosts file; each entry needs at least `address`.",
    )
