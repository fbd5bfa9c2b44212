"""How a building's broker is named: `dsx+mqtts://host[:8883]`, or `dsx+mqtt://` in the clear.

In the clear is for a broker on this machine: a password and requests to isolate a rack do not go
over a network unencrypted unless the operator says so.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from iolaus.kernel.errors import OperatorMust, PolicyRefused

SCHEMES: Final = {"dsx+mqtt": 1883, "dsx+mqtts": 8883}
_HOST: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$")


class BrokerAddress(NamedTuple):
    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        """The one way to write it, which is the endpoint's key."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"dsx+mqtt{'s' if self.tls else ''}://{host}:{self.port}"


def parse_broker(text: str, *, insecure: bool = False) -> BrokerAddress:
    """Raises `OperatorMust`, and `PolicyRefused` for the clear over a network."""
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower() if scheme.startswith("dsx+") else f"dsx+{scheme.lower()}"
    if scheme not in SCHEMES:
        raise _bad(text, "a broker is mqtts://host[:port] or mqtt://host[:port]")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _bad(text, str(error)) from None
    if parts.username or parts.password:
        raise _bad(text.split("@")[-1], "user and password stand in the building's document")
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _bad(text, "a broker is mqtts://host[:port]")
    if not (_HOST.match(host) or _is_ip(host)):
        raise _bad(text, "not a host name or an address")
    tls = scheme.endswith("s")
    if not tls and not insecure and not _is_local(host):
        raise PolicyRefused(
            "plain MQTT would send the password and requests unencrypted",
            operation="read building",
            subject=text[:200],
            code="PlainMqttRefused",
            next_step="use mqtts://, or say `insecure: true` if you accept that.",
        )
    return BrokerAddress(host, SCHEMES[scheme] if port is None else port, tls)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    return host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def _bad(text: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read building",
        subject=text[:200],
        code="BadTarget",
        next_step="name it as mqtts://host[:8883]; see docs/building.md.",
    )
