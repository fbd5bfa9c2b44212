"""Signing in with a browser: a token is typed once and kept in a cookie that no script can read.

The cookie lets pages read, lets our own forms stop a roll-out, and nothing else (the guard sees to
that). It is sent to us alone, and ends with the browser. A form of another site may neither sign
somebody in nor out. In the demo there is nothing to sign in to.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec
import structlog
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.types import ControllerRouterHandler

from iolaus.kernel.errors import PolicyRefused
from iolaus.model.audit import Record
from iolaus.north.auth import COOKIE, SIGN_IN, SIGN_OUT
from iolaus.north.context import Context
from iolaus.north.ui.pages import Pages

MAX_FORM: Final = 4096
HEADERS: Final = {"Cache-Control": "no-store"}
log = structlog.get_logger(__name__)


def sign_in_routes(context: Context, pages: Pages) -> list[ControllerRouterHandler]:
    @get(SIGN_IN, include_in_schema=False)
    async def form(request: Request[Any, Any, Any]) -> Response[str]:
        onward = local(request.query_params.get("next", "/"))
        if context.auth.demo:
            return _go(onward)
        return _html(pages.sign_in(onward=onward))

    @post(SIGN_IN, include_in_schema=False)
    async def sign_in(request: Request[Any, Any, Any]) -> Response[str]:
        told = await _form(request)
        onward, client = local(told.get("next", "/")), request.client
        try:
            _same_site(request)
            who = context.auth.principal(
                text=told.get("token", "").strip() or None,
                client=client.host if client else "",
                now=context.clock.now(),
            )
        except PolicyRefused as error:
            log.warning("sign-in refused", code=error.code, client=client.host if client else "")
            return _html(pages.sign_in(onward=onward, problem=error.message), status=401)
        await context.audit.append(_entry(request, who.name, "sign-in"))
        log.info("signed in", name=who.name, role=who.role.value)
        return _go(onward, _cookie(request, told.get("token", "").strip()))

    @post(SIGN_OUT, include_in_schema=False)
    async def sign_out(request: Request[Any, Any, Any]) -> Response[str]:
        _same_site(request)
        if (who := _signed_in(context, request)) is not None:
            await context.audit.append(_entry(request, who, "sign-out"))
        return _go(SIGN_IN, _cookie(request, None))

    return [form, sign_in, sign_out]


def _entry(request: Request[Any, Any, Any], who: str, what: str) -> Record:
    client = request.client.host if request.client else ""
    detail = msgspec.json.encode({"client": client}).decode()
    return Record(who=who, what=what, subject="pages", detail=detail)


def _signed_in(context: Context, request: Request[Any, Any, Any]) -> str | None:
    """Whose the cookie is; None where it is nobody's (any more)."""
    text, client = request.cookies.get(COOKIE), request.client
    with contextlib.suppress(PolicyRefused):
        return context.auth.principal(
            text=unquote(text) if text else None,
            client=client.host if client else "",
            now=context.clock.now(),
        ).name
    return None


def local(path: str) -> str:
    """A path on this server; "/" for anything that a browser could take for another's address."""
    plain = path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"


async def _form(request: Request[Any, Any, Any]) -> dict[str, str]:
    body = await request.body()
    text = body[:MAX_FORM].decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(text, max_num_fields=8).items()}


def _same_site(request: Request[Any, Any, Any]) -> None:
    """A browser says where a form comes from. Raises `PolicyRefused` if not from here."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise PolicyRefused(
            "a page of another site may not do this",
            operation="sign in",
            subject="this server",
            code="OriginRefused",
            next_step="open our own page.",
        )


def _cookie(request: Request[Any, Any, Any], token: str | None) -> Cookie:
    """With the token, or (None) one that ends it at once."""
    return Cookie(
        key=COOKIE,
        value=quote(token or "", safe=""),
        path="/",
        max_age=None if token else 0,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def _html(html: str, *, status: int = 200) -> Response[str]:
    return Response(html, media_type=MediaType.HTML, status_code=status, headers=HEADERS)


def _go(where: str, *cookies: Cookie) -> Response[str]:
    return Response(
        "",
        media_type=MediaType.HTML,
        status_code=303,
        headers={**HEADERS, "Location": quote(where, safe="/?&=%+,;:@!$'()*~#-._")},
        cookies=list(cookies),
    )
