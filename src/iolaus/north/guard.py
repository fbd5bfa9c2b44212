"""The door: every request passes here first, whatever the route.

It stands before the router, so that an unknown path is guarded like a known one. It checks that
a demo is spoken to as loopback (Host, Origin, client), finds out who asks, bounds the body's
declared size, and puts the security headers on every answer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, PolicyRefused
from iolaus.north.auth import COOKIE, SIGN_IN, SIGN_OUT, Auth, bearer, is_loopback
from iolaus.north.problems import PROBLEM_TYPE, problem_of, status_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", SIGN_IN, SIGN_OUT})
OPEN_BELOW: Final = ("/ui/static/", "/shared/")
"""What needs no token: files of ours, and what asks for the text of a link by itself."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS: Final = re.compile(
    r"/ui/rollouts/[^/]+/(?:pause|abort)|/ui/onboarding/(?:candidates|lists)/[^/]+/approve"
)
"""What a form of our own page may ask for with the browser's cookie: to stop, and to say yes to a
machine that is exactly as expected; nothing else."""
MAX_BODY: Final = 16 * 1024 * 1024
PACKAGE: Final = "/api/v1/references/package"
"""Where firmware packages are sent to, as they are."""
MAX_PACKAGE: Final = 2 * 1024 * 1024 * 1024
JSON: Final = "application/json"
OCTETS: Final = "application/octet-stream"
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """An ASGI app around another; `inner` is what is guarded."""

    def __init__(self, inner: Any, *, auth: Auth, clock: Clock) -> None:
        self.inner, self.auth, self.clock = inner, auth, clock

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.inner(scope, receive, send)
            return
        try:
            self._admit(scope)
        except IolausError as error:
            if status_of(error) == 401 and _is_page(scope):
                await _show_the_door(scope, send)
            else:
                await refuse(error, scope, receive, send)
            return
        await self.inner(scope, receive, _with_headers(send))

    def _admit(self, scope: Scope) -> None:
        """Raises `PolicyRefused`; else the principal stands in the scope's state."""
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        if self.auth.demo:
            _check_loopback(headers)
        method = str(scope.get("method", "GET"))
        declared, package = headers.get("content-length", "0"), scope["path"] == PACKAGE
        most = MAX_PACKAGE if package else MAX_BODY
        if not (declared.isascii() and declared.isdigit()) or int(declared) > most:
            raise _no("BodyTooLarge", f"the body may hold {most} bytes", "send less at once.")
        if method in ("POST", "PUT", "PATCH") and scope["path"].startswith("/api/"):
            _check_type(headers, OCTETS if package else JSON)
        if scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_BELOW):
            return
        client = scope.get("client") or ("", 0)
        scope.setdefault("state", {})["principal"] = self.auth.principal(
            text=_token(headers, method, str(scope["path"])),
            client=str(client[0]),
            now=self.clock.now(),
        )


def _check_loopback(headers: MutableMapping[str, str]) -> None:
    if not is_loopback(headers.get("host", "")):
        why = "the demo answers only to loopback names (a page may have rebound its own)"
        raise _no("HostRefused", why, "use http://127.0.0.1 or localhost.")
    origin = headers.get("origin")
    if origin and not is_loopback(urlsplit(origin).netloc):
        raise _no("OriginRefused", "a page of another site may not ask here", "open our own.")


def _check_type(headers: MutableMapping[str, str], wanted: str) -> None:
    """A form of another site can send text, but neither of these without asking first."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        told = "the body must be JSON" if wanted == JSON else "the body is the package's own bytes"
        raise _no("WrongMediaType", told, f"send {wanted}.")


def check_same_origin(headers: Mapping[str, str]) -> None:
    """A browser says where a form comes from; raises `PolicyRefused` unless it says from here."""
    origin, host = headers.get("origin"), headers.get("host")
    if origin is None or host is None or urlsplit(origin).netloc != host:
        raise _no("OriginRefused", "only our own page may ask for this", "open it, or use iolaus.")


def _token(headers: MutableMapping[str, str], method: str, path: str) -> str | None:
    """A bearer token; for reading also the cookie that the pages set, and for our own forms."""
    text = bearer(headers.get("authorization"))
    if text or "cookie" not in headers:
        return text
    if method == "POST" and FORMS.fullmatch(path):
        check_same_origin(headers)
    elif method not in SAFE:
        return None
    try:
        morsel = SimpleCookie(headers["cookie"]).get(COOKIE)
    except CookieError:
        return None
    return unquote(morsel.value) if morsel else None


def _is_page(scope: Scope) -> bool:
    """Whether a browser asks for a page, so that a person sees the answer."""
    path, method = scope["path"], scope.get("method")
    wants = dict(scope["headers"]).get(b"accept", b"")
    pages = path == "/" or path.startswith("/ui/")
    refreshes = b"hx-request" in dict(scope["headers"])
    return scope["type"] == "http" and method == "GET" and pages and (refreshes or b"html" in wants)


async def _show_the_door(scope: Scope, send: Send) -> None:
    """To the page where one signs in, and from there back; a piece that refreshes itself takes
    its whole page along."""
    query = scope.get("query_string", b"").decode("latin-1")
    here = scope["path"] + (f"?{query}" if query else "")
    headers = [(b"cache-control", b"no-store")]
    if b"hx-request" in dict(scope["headers"]):
        start = {"status": 401, "headers": [*headers, (b"hx-redirect", SIGN_IN.encode())]}
    else:
        target = f"{SIGN_IN}?next={quote(here, safe='/')}"
        start = {"status": 303, "headers": [*headers, (b"location", target.encode())]}
    await _with_headers(send)({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": b""})


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", ())}
            missing = [pair for pair in SECURITY_HEADERS if pair[0] not in present]
            message["headers"] = [*message.get("headers", ()), *missing]
        await send(message)

    return wrapped


async def refuse(error: IolausError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the problem that an error is."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4403, "reason": error.code})
        return
    problem = problem_of(error, instance=str(scope["path"]))
    body = msgspec.json.encode(problem)
    headers = [
        (b"content-type", PROBLEM_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *([(b"www-authenticate", b"Bearer")] if problem.status == 401 else []),
    ]
    start = {"type": "http.response.start", "status": problem.status, "headers": headers}
    await _with_headers(send)(start)
    await send({"type": "http.response.body", "body": body})


def _no(code: str, message: str, next_step: str) -> PolicyRefused:
    return PolicyRefused(
        message, operation="request", subject="this server", code=code, next_step=next_step
    )
