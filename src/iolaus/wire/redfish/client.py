"""One device's Redfish conversation: session, conditional reads, ETags, redirects, streams.

No scheduling and no cache: the lane above decides what is asked when. One `Redfish` per device
and ledger, because it considers every session the ledger names as its own to delete. The first
login reaps what a killed predecessor left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, IolausError
from iolaus.wire.redfish import etag as etags
from iolaus.wire.redfish import session as sessions
from iolaus.wire.redfish import sse
from iolaus.wire.redfish.address import parse_address, resolve
from iolaus.wire.redfish.decode import Deviation, parse_object
from iolaus.wire.redfish.errors import Code, LoginUnanswered, refusal
from iolaus.wire.redfish.port import (
    Answer,
    Credential,
    Request,
    Response,
    SessionLedger,
    Transport,
)
from iolaus.wire.redfish.upload import Upload

ROOT = "/redfish/v1/"
MAX_BYTES = 32 * 1024 * 1024
_MAX_REDIRECTS = 3
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "OData-Version": "4.0",
    "User-Agent": "iolaus",
}


class Redfish:
    """`address` is `https://host[:port]`. Without a credential nothing is ever authenticated."""

    def __init__(
        self,
        address: str,
        transport: Transport,
        credential: Credential | None,
        clock: Clock,
        *,
        ledger: SessionLedger | None = None,
    ) -> None:
        self.address = parse_address(address)
        self._transport, self._credential, self._clock = transport, credential, clock
        self._ledger = ledger
        self._session: sessions.Session | None = None
        self._basic_until = float("-inf")
        self._basic_next = self._basic_trial = False
        self._login: asyncio.Task[None] | None = None
        self._reaped = self._crowded = False

    @property
    def session_uri(self) -> str | None:
        return self._session.uri if self._session else None

    @property
    def has_session(self) -> bool:
        return self._session is not None

    @property
    def crowded(self) -> bool:
        """The last login found no free session, and nothing has been let in since."""
        return self._crowded and self._session is None

    def log_in_anew(self) -> None:
        """Try for a session at the next request, though Basic stands in for one."""
        self._basic_until = float("-inf")

    @property
    def wants_login(self) -> bool:
        """Whether the next authenticated request would begin with a login."""
        wanted = self._credential is not None and self._session is None
        return wanted and self._clock.monotonic() >= self._basic_until

    async def request(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        etag: str | None = None,
        if_match: str | None = None,
        timeout_s: float = 30.0,
        max_bytes: int = MAX_BYTES,
        auth: bool = True,
    ) -> Answer:
        """The parsed answer of a 2xx, or of a 304 (empty body) if `etag` was given.

        `if_match` is sent in each spelling the device may want until one is not refused by 412.
        Raises `DeviceSilent`, `DeviceRefused` (see `errors.Code`), `DeviceLied`, `Unverified`.
        """
        path = resolve(self.address, uri)
        raw = None if body is None else msgspec.json.encode(body)
        spellings = etags.for_if_match(if_match) if if_match else ()
        response = await self._asked(
            method, path, raw, _conditions(etag, spellings[:1]), timeout_s, max_bytes, auth
        )
        for spelling in spellings[1:]:
            if response.status != 412:
                break
            response = await self._asked(
                method, path, raw, _conditions(None, (spelling,)), timeout_s, max_bytes, auth
            )
        return self._answer(method, path, response)

    async def push(self, uri: str, upload: Upload, *, timeout_s: float) -> Answer:
        """POST an image, read from disk as it goes. Sent again only where the session had run
        out, which the device says before it takes anything. Raises as `request` does, and
        `OperatorMust` where the image cannot be read."""
        path = resolve(self.address, uri)
        response = await self._asked("POST", path, upload, {}, timeout_s, MAX_BYTES, True)
        return self._answer("POST", path, response)

    async def fetch(self, uri: str, *, timeout_s: float, max_bytes: int) -> bytes:
        """A file, which is no resource (a log's AdditionalDataURI). Raises as `request` does."""
        path = resolve(self.address, uri)
        response = await self._asked("GET", path, None, {}, timeout_s, max_bytes, True)
        if response.status >= 300:
            raise self._refused("GET", path, response)
        return response.body

    async def get(
        self,
        uri: str,
        *,
        cached: Answer | None = None,
        timeout_s: float = 30.0,
        max_bytes: int = MAX_BYTES,
        auth: bool = True,
    ) -> Answer:
        """A GET; `cached` comes back with a new time where the device says nothing changed."""
        tag = cached.etag if cached else None
        answer = await self.request(
            "GET", uri, etag=tag, timeout_s=timeout_s, max_bytes=max_bytes, auth=auth
        )
        if answer.status != 304 or cached is None:
            return answer
        return msgspec.structs.replace(cached, at=answer.at, elapsed_s=answer.elapsed_s)

    async def login(self) -> None:
        """Open the one session, or settle for Basic. Concurrent callers share one attempt.

        Raises `DeviceRefused` with `AuthenticationFailed` for a wrong account, after one attempt,
        `LoginUnanswered` where the password was sent and no answer came, `DeviceSilent` before.
        The attempt after a refused one is Basic, which some take where they refuse every session;
        so each call costs at most one failed login, whichever way.
        """
        if self._credential is None or self._session is not None:
            return
        if self._login is None:
            self._login = asyncio.create_task(self._open_session(self._credential))
            self._login.add_done_callback(self._login_over)
        await asyncio.shield(self._login)

    async def logout(self) -> None:
        """Delete our session on the device. Never raises for a device that does not answer."""
        if self._login is not None:
            with contextlib.suppress(IolausError):
                await asyncio.shield(self._login)
        session, self._session = self._session, None
        if session is None or session.uri is None:
            return
        with contextlib.suppress(IolausError):
            await self._delete_session(session.uri, {"X-Auth-Token": session.token})

    async def reap(self) -> int:
        """Delete the sessions the ledger calls ours, save the present one; how many are gone."""
        if self._ledger is None or self._credential is None:
            return 0
        gone = 0
        for uri in self._ledger.ours(self.address):
            if uri == self.session_uri:
                continue
            deleted = False
            with contextlib.suppress(IolausError):
                deleted = await self._delete_session(uri, self._authorization())
            if not deleted:  # a second refusal would be a second failed login
                break
            gone += 1
        return gone

    async def stream(
        self,
        uri: str,
        *,
        last_event_id: str | None = None,
        timeout_s: float = 90.0,
        parser: sse.Parser | None = None,
    ) -> AsyncIterator[sse.Event]:
        """Server-sent events until the device ends the stream or is silent for `timeout_s`.

        Give the same `parser` again to resume: it knows the last id and the device's `retry`.
        """
        parser = parser or sse.Parser(last_event_id=last_event_id)
        parser.restart()
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if parser.last_event_id:
            headers["Last-Event-ID"] = parser.last_event_id
        path = resolve(self.address, uri)
        response = await self._asked("GET", path, None, headers, timeout_s, 0, True, stream=True)
        if response.chunks is None:
            raise self._refused("GET", path, response)
        try:
            self._require_stream(path, response)
            async for chunk in response.chunks:
                for event in parser.feed(chunk):
                    yield event
        finally:
            response.close()

    # --- asking -------------------------------------------------------------------------------

    async def _asked(
        self,
        method: str,
        path: str,
        raw: bytes | Upload | None,
        extra: Mapping[str, str],
        timeout_s: float,
        max_bytes: int,
        auth: bool,
        *,
        stream: bool = False,
    ) -> Response:
        authorised = auth and self._credential is not None
        for attempt in (1, 2):
            if authorised:
                await self._let_in()
            session = self._session
            headers = {**_HEADERS, **extra, **(self._authorization() if authorised else {})}
            upload = raw if isinstance(raw, Upload) else None
            if raw is not None:
                headers["Content-Type"] = upload.content_type if upload else "application/json"
            request = Request(
                method=method,
                url=self.address + path,
                headers=headers,
                body=raw if isinstance(raw, bytes) else None,
                timeout_s=timeout_s,
                max_bytes=max_bytes or MAX_BYTES,
                stream=stream,
                upload=upload,
            )
            response = await self._followed(request)
            if response.status != 401 or not session or attempt == 2 or not authorised:
                break
            await self._expire(session)
        if self._basic_trial and authorised and response.status == 401:
            self._basic_trial, self._basic_until = False, float("-inf")
        return response

    async def _followed(self, request: Request) -> Response:
        seen = {request.url}
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._transport.send(request)
            target = response.headers.get("location")
            if response.status not in (301, 302, 303, 307, 308) or not target:
                return response
            request = self._redirected(request, response.status, target)
            if request.url in seen:
                raise self._astray(request, "the redirects go round in a loop")
            seen.add(request.url)
        raise self._astray(request, f"more than {_MAX_REDIRECTS} redirects")

    def _redirected(self, request: Request, status: int, target: str) -> Request:
        if request.method not in ("GET", "HEAD") and status not in (307, 308):
            raise self._astray(request, f"HTTP {status} would turn a {request.method} into a GET")
        base = request.url[len(self.address) :]
        try:
            path = resolve(self.address, target, base=base)
        except DeviceLied as error:
            raise self._astray(request, f"it redirects to {target[:200]!r}") from error
        return msgspec.structs.replace(request, url=self.address + path)

    def _astray(self, request: Request, message: str) -> DeviceRefused:
        return DeviceRefused(
            message,
            operation=request.method,
            subject=request.url,
            code=Code.REDIRECTED,
            status=302,
            next_step="give the address that really serves /redfish/v1/",
        )

    def _answer(self, method: str, path: str, response: Response) -> Answer:
        if response.status >= 300 and response.status != 304:
            raise self._refused(method, path, response)
        body, notes = self._body(method, path, response)
        return Answer(
            uri=path,
            status=response.status,
            body=body,
            headers=response.headers,
            at=self._clock.now(),
            elapsed_s=response.elapsed_s,
            etag=etags.read_etag(response.headers, body),
            deviations=notes,
        )

    def _body(
        self, method: str, path: str, response: Response
    ) -> tuple[dict[str, Any], tuple[Deviation, ...]]:
        if response.status in (204, 304) or (method != "GET" and not response.body.strip()):
            return {}, ()
        try:
            return parse_object(response.body, uri=self.address + path)
        except DeviceLied as error:
            if method == "GET" and response.status == 200:
                raise
            return {}, (("", "syntax", f"an answer without a readable body: {error.message}"),)

    def _refused(self, method: str, path: str, response: Response) -> DeviceRefused:
        return refusal(
            response.status,
            response.headers,
            response.body,
            operation=method,
            subject=self.address + path,
            now=self._clock.now(),
        )

    def _require_stream(self, path: str, response: Response) -> None:
        kind = response.headers.get("content-type", "text/event-stream")
        if "event-stream" not in kind.lower():
            raise DeviceLied(
                f"an event stream was asked for, {kind[:80]!r} came",
                operation="stream",
                subject=self.address + path,
                code="NotAStream",
                next_step="poll the event log instead",
            )

    # --- being let in -------------------------------------------------------------------------

    async def _let_in(self) -> None:
        if self.wants_login:
            await self.login()

    def _authorization(self) -> dict[str, str]:
        if self._session is not None:
            return {"X-Auth-Token": self._session.token}
        return {"Authorization": sessions.basic(self._credential)} if self._credential else {}

    async def _expire(self, session: sessions.Session) -> None:
        """Delete it all the same: some answer 401 for a resource while the session lives on."""
        if self._session is session:
            self._session = None
            if session.uri:
                await self._delete_expired(session.uri, session.token)

    async def _delete_expired(self, uri: str, token: str) -> None:
        with contextlib.suppress(IolausError):
            await self._delete_session(uri, {"X-Auth-Token": token}, expired=True)

    def _login_over(self, task: asyncio.Task[None]) -> None:
        self._login = None
        if not task.cancelled():
            task.exception()

    async def _open_session(self, credential: Credential) -> None:
        if self._basic_next:
            self._basic_next, self._basic_trial = False, True
            self._basic_until = float("inf")
            return
        where = await self._sessions_uri()
        response = await self._post_session(where, credential)
        if self._out_of_slots(response) and await self.reap():
            response = await self._post_session(where, credential)
        if response.status >= 300:
            self._settle_for_basic(where, response)
            return
        self._begin(where, response)
        if not self._reaped:
            self._reaped = True
            await self.reap()

    async def _sessions_uri(self) -> str:
        response = await self._followed(
            Request(method="GET", url=self.address + ROOT, headers=_HEADERS)
        )
        if response.status != 200:
            return sessions.SESSIONS
        root, _ = parse_object(response.body, uri=self.address + ROOT)
        return sessions.sessions_uri(root)

    async def _post_session(self, where: str, credential: Credential) -> Response:
        body = {"UserName": credential.user, "Password": credential.password}
        request = Request(
            method="POST",
            url=self.address + where,
            headers={**_HEADERS, "Content-Type": "application/json"},
            body=msgspec.json.encode(body),
        )
        try:
            return await self._followed(request)
        except DeviceSilent as silence:
            raise LoginUnanswered(
                silence.message,
                operation=silence.operation,
                subject=silence.subject,
                code=silence.code,
                next_step=silence.next_step,
            ) from silence

    def _out_of_slots(self, response: Response) -> bool:
        if response.status < 400:
            return False
        return self._refused("POST", "", response).code == Code.NO_SESSION_SLOTS

    def _settle_for_basic(self, where: str, response: Response) -> None:
        error = self._refused("POST", where, response)
        stand_in_s = sessions.basic_instead_s(response.status, error.code)
        self._basic_next = response.status == 401
        self._crowded = error.code == Code.NO_SESSION_SLOTS
        if stand_in_s is None:
            raise self._without_secret(error)
        self._basic_until = self._clock.monotonic() + stand_in_s

    def _without_secret(self, error: DeviceRefused) -> DeviceRefused:
        """Some devices repeat the password they refused."""
        secret = self._credential.password if self._credential else ""
        if secret and secret in error.message:
            error.message = error.message.replace(secret, "...")
            error.args = (error.message,)
        return error

    def _begin(self, where: str, response: Response) -> None:
        try:
            body, _ = parse_object(response.body or b"{}", uri=self.address + where)
        except DeviceLied:
            body = {}
        session = sessions.read_session(response.headers, body, created_in=where)
        if session is None:
            self._basic_until = float("inf")
            return
        if session.uri and self._ledger:
            self._ledger.remember(self.address, session.uri)
        self._session, self._crowded = session, False

    async def _delete_session(
        self, uri: str, authorization: Mapping[str, str], *, expired: bool = False
    ) -> bool:
        response = await self._transport.send(
            Request(
                method="DELETE",
                url=self.address + resolve(self.address, uri),
                headers={**_HEADERS, **authorization},
                timeout_s=10.0,
            )
        )
        gone = response.status < 300 or response.status in (404, 410)
        gone = gone or (expired and response.status == 401)
        if gone and self._ledger:
            self._ledger.forget(self.address, uri)
        return gone


def _conditions(etag: str | None, if_match: tuple[str, ...]) -> dict[str, str]:
    found = {"If-None-Match": etags.for_if_none_match(etag)} if etag else {}
    return {**found, **({"If-Match": if_match[0]} if if_match else {})}
