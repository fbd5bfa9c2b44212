"""Where a link may lead: one device's own origin, and nowhere else.

Links, `Location` headers and redirects come from the device, so they decide where our credentials
would go. Only the path and query of a link are used, and a link that names another host is a
lie, not an instruction. The one exception is `Location` of our own session or task: controllers
answer with their internal name there, so `path_of` drops the host.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from iolaus.kernel.errors import DeviceLied, OperatorMust

MAX_URI = 4096
_DEFAULT_PORT = {"https": 443, "http": 80}
_SAFE = "/?#[]@!$&'()*+,;=:%-._~"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def origin_of(url: str) -> str:
    """`https://host[:port]` in lower case, the scheme's own port left out. Raises `ValueError`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme.lower() not in _DEFAULT_PORT or not host or _CONTROL.search(url):
        raise ValueError(url)
    shown = f"[{host}]" if ":" in host else host
    scheme, port = parts.scheme.lower(), parts.port
    return f"{scheme}://{shown}" + ("" if port in (None, _DEFAULT_PORT[scheme]) else f":{port}")


def parse_address(address: str) -> str:
    """The normalised endpoint address; `OperatorMust` if it is none."""
    try:
        return origin_of(address if "://" in address else f"https://{address}")
    except ValueError:
        raise OperatorMust(
            "not an address of a management controller",
            operation="read",
            subject=address[:200],
            code="BadAddress",
            next_step="give it as https://host[:port] or host",
        ) from None


def path_of(link: str) -> str:
    """Path and query of a link, whatever host it names; "" if there is none."""
    try:
        parts = urlsplit(link.strip())
    except ValueError:
        return ""
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return quote(path, safe=_SAFE) if path.startswith("/") and len(path) <= MAX_URI else ""


def resolve(origin: str, link: str, *, base: str = "/redfish/v1/") -> str:
    """The path to ask `origin` for, given a link it wrote. `DeviceLied` for one that leads away."""
    link = link.split("#", 1)[0].strip()
    if "://" in link[:16] or link.startswith("//"):
        _require_same_origin(origin, link)
        path = path_of(link)
    elif link.startswith("/"):
        path = quote(link, safe=_SAFE) if len(link) <= MAX_URI else ""
    else:
        path = quote(base.rsplit("/", 1)[0] + "/" + link, safe=_SAFE) if link else ""
    if not path or len(path) > 2 * MAX_URI:
        raise _lied(origin, link, "a link that is no link", "BadLink")
    return path


def _require_same_origin(origin: str, link: str) -> None:
    absolute = f"{origin.split(':', 1)[0]}:{link}" if link.startswith("//") else link
    try:
        same = origin_of(absolute) == origin
    except ValueError:
        same = False
    if not same:
        raise _lied(origin, link, "a link that leads to another host", "ForeignLink")


def _lied(origin: str, link: str, message: str, code: str) -> DeviceLied:
    return DeviceLied(
        f"{message}: {link[:200]!r}",
        operation="follow",
        subject=origin,
        code=code,
        next_step="nothing was sent there; report it to the maker",
    )
