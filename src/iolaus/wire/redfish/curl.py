"""libcurl's multi interface on the running event loop: one pool, thousands of connections.

pycurl's own asyncio glue drives the sockets. Two things libcurl does not do by itself are added
in its pre-request callback, which runs on a ready connection before the first byte of a request:
the certificate pin (libcurl pins keys, we pin certificates), and the rule that only a GET is ever
sent a second time after a kept-alive connection turned out to be closed.

A pinned connection's fingerprint is remembered under its pair of addresses, which no two open
connections share. A reused one that is not remembered is not trusted: the request goes out on a
fresh connection instead. TLS sessions are not resumed: a resumed one shows no certificate.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import AsyncGenerator
from io import BytesIO
from typing import Any

import pycurl

from iolaus.wire.redfish.body import Body, BodyTooLarge
from iolaus.wire.redfish.faults import silent
from iolaus.wire.redfish.head import parse_head
from iolaus.wire.redfish.port import Request, Response, Trust
from iolaus.wire.redfish.trust import fingerprint_of
from iolaus.wire.redfish.upload import Pour, Upload
from iolaus.wire.redfish.verdict import PinMismatch, Unproven, read_error

MAX_IDLE = 8_192
"""Connections kept alive at most, at up to 100 KB each, the longest idle closed first. Whoever asks
more devices than this in turn finds every connection closed that it comes back to: a handshake
costs us ten times what a request does, and a small controller far more."""
MAX_REMEMBERED = 100_000
_SPARE = 512
Ends = tuple[Any, ...]
"""Addresses and ports of both ends of a connection."""
_OK, _ABORT = int(pycurl.PREREQFUNC_OK), int(pycurl.PREREQFUNC_ABORT)


class Multi:
    """One libcurl multi handle, bound to the running loop and closed with it at the latest."""

    def __init__(self, *, keep_alive_s: float, max_idle: int = MAX_IDLE) -> None:
        self.keep_alive_s = keep_alive_s
        self._proven: OrderedDict[Ends, str] = OrderedDict()
        self._spare: list[Easy] = []
        self._multi = pycurl.AsyncCurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_idle)
        self._at_shutdown = self._until_shutdown()

    async def run(self, request: Request, trust: Trust, *, fresh: bool = False) -> Response:
        """One exchange, on a new connection if `fresh`; the body is collected.

        Raises our errors, `PinMismatch`, `Untrusted` or `Unproven`.
        """
        easy = self._spare.pop() if self._spare else Easy(self)
        easy.begin(request, trust, fresh=fresh)
        try:
            await self._multi.perform(easy.handle)
        except pycurl.error as error:
            raise easy.fault_of(error) from error
        except asyncio.CancelledError:
            self._require_open(request)
            raise
        finally:
            easy.put_down()
        response = easy.response()
        if request.method == "GET" and len(self._spare) < _SPARE:
            self._spare.append(easy)
        return response

    def start(self, easy: Easy) -> asyncio.Future[pycurl.Curl]:
        started: asyncio.Future[pycurl.Curl] = self._multi.add_handle(easy.handle)
        return started

    def _require_open(self, request: Request) -> None:
        """A closing pool cancels its transfers, which is not a cancellation of our task."""
        task = asyncio.current_task()
        if self._multi.closed and not (task and task.cancelling()):
            raise silent(request, "the pool was closed")

    async def open(self) -> None:
        """Have the loop's own shutdown close what its owner forgot."""
        await anext(self._at_shutdown)

    async def aclose(self) -> None:
        self._spare.clear()
        await self._multi.aclose()
        await self._at_shutdown.aclose()

    async def _until_shutdown(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self._multi.aclose()

    def proven(self, ends: Ends) -> str | None:
        return self._proven.get(ends)

    def prove(self, ends: Ends, fingerprint: str) -> None:
        self._proven[ends] = fingerprint
        if len(self._proven) > MAX_REMEMBERED:
            self._proven.popitem(last=False)


class Easy:
    """A libcurl handle with its callbacks; it carries one request after the other."""

    def __init__(self, multi: Multi) -> None:
        self._multi, self._judged_by = multi, (False, "")
        self.handle = handle = pycurl.Curl()
        self._head = BytesIO()
        for option, value in _FIXED:
            handle.setopt(option, value)
        handle.setopt(pycurl.MAXAGE_CONN, int(multi.keep_alive_s))
        handle.setopt(pycurl.PREREQFUNCTION, self._before_sending)
        handle.setopt(pycurl.WRITEFUNCTION, self._take)
        handle.setopt(pycurl.HEADERFUNCTION, self._head.write)

    def begin(self, request: Request, trust: Trust, *, fresh: bool = False) -> None:
        self.request, self._pin, handle = request, trust.fingerprint, self.handle
        self._fault: Exception | None = None
        self._body: Body | None = None
        self._seen: tuple[int, dict[str, str]] | None = None
        self._sent = 0
        self._pour: Pour | None = None
        self._head.seek(0)
        self._head.truncate()
        handle.setopt(pycurl.URL, request.url)
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        handle.setopt(pycurl.HTTPHEADER, headers)
        handle.setopt(pycurl.FRESH_CONNECT, int(fresh))
        self._set_time_limit(max(1, int(request.timeout_s * 1000)))
        judged_by = (bool(self._pin), trust.ca_file or "")
        if judged_by != self._judged_by:
            self._judge_by(pinned=judged_by[0], ca_file=trust.ca_file)
            self._judged_by = judged_by
        if request.method != "GET":
            handle.setopt(pycurl.HTTPHEADER, [*headers, "Expect:"])
            self._set_method(request)

    def _set_time_limit(self, limit_ms: int) -> None:
        self.handle.setopt(pycurl.TIMEOUT_MS, limit_ms)

    def _judge_by(self, *, pinned: bool, ca_file: str | None) -> None:
        self.handle.setopt(pycurl.SSL_VERIFYPEER, 0 if pinned else 1)
        self.handle.setopt(pycurl.SSL_VERIFYHOST, 0 if pinned else 2)
        self.handle.setopt(pycurl.OPT_CERTINFO, 1 if pinned else 0)
        self.handle.setopt(pycurl.SSL_CIPHER_LIST, _WEAK if pinned else "DEFAULT")
        self.handle.unsetopt(pycurl.CAPATH)
        for option, path in ((pycurl.CAINFO, ca_file),) if ca_file else _AUTHORITIES:
            self.handle.setopt(option, path)

    def _set_method(self, request: Request) -> None:
        if request.method == "HEAD":
            self.handle.setopt(pycurl.NOBODY, 1)
            return
        if request.upload is not None:
            self._pick_up(request.upload)
            return
        if request.body is not None or request.method == "POST":
            self.handle.setopt(pycurl.POST, 1)
            self.handle.setopt(pycurl.POSTFIELDS, request.body or b"")
        self.handle.setopt(pycurl.CUSTOMREQUEST, request.method)

    def _pick_up(self, upload: Upload) -> None:
        self._pour = upload.open()
        self.handle.setopt(pycurl.POST, 1)
        self.handle.setopt(pycurl.POSTFIELDSIZE_LARGE, upload.size)
        self.handle.setopt(pycurl.READFUNCTION, self._give)
        self.handle.setopt(pycurl.SEEKFUNCTION, self._seek)

    def put_down(self) -> None:
        """Close what is read from disk."""
        if self._pour is not None:
            self._pour.close()

    # --- called by libcurl, where an exception would be lost ----------------------------------

    def _before_sending(self, *ends: Any) -> int:
        self._sent += 1
        if self._sent > 1 and self.request.method != "GET":
            self._fault = silent(self.request, "the connection was closed; a write is sent once")
            return _ABORT
        if self._pin is None or self.request.url.startswith("http:"):
            return _OK
        try:
            self._require_pin(ends, self._pin)
        except Exception as error:  # noqa: BLE001 - kept and raised by `fault_of`
            self._fault = error
            return _ABORT
        return _OK

    def _require_pin(self, ends: Ends, pin: str) -> None:
        chain = self.handle.getinfo(pycurl.INFO_CERTINFO)
        if chain:
            self._multi.prove(ends, _leaf(chain[0]))
        shown = self._multi.proven(ends)
        if shown is None:
            raise Unproven
        if shown != pin:
            raise PinMismatch(shown)

    def _take(self, data: bytes) -> int:
        try:
            if self._body is None:
                self._body = self._new_body()
            self._body.feed(data)
        except Exception as error:  # noqa: BLE001 - kept and raised by `fault_of`
            self._fault = error
            return 0
        return len(data)

    def _give(self, most: int) -> bytes | int:
        try:
            return self._pour.read(most) if self._pour else b""
        except Exception as error:  # noqa: BLE001 - kept and raised by `fault_of`
            self._fault = error
            return int(pycurl.READFUNC_ABORT)

    def _seek(self, offset: int, origin: int) -> int:
        if self._pour is None or offset or origin:
            return int(pycurl.SEEKFUNC_FAIL)
        self._pour.rewind()
        return int(pycurl.SEEKFUNC_OK)

    def _new_body(self) -> Body:
        headers, most = self.head()[1], self.request.max_bytes
        announced = headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced[:18]) > most:
            raise BodyTooLarge(f"{announced[:20]} bytes announced, {most} allowed")
        return Body(coding=headers.get("content-encoding", ""), max_bytes=most)

    # --- how it ended -------------------------------------------------------------------------

    def head(self) -> tuple[int, dict[str, str]]:
        if self._seen is None:
            self._seen = parse_head(self._head.getvalue())
        return self._seen

    def response(self) -> Response:
        status, headers = self.head()
        try:
            body = self._body.finish() if self._body else b""
        except Exception as error:
            raise read_error(self.request, 0, "", error) from error
        return Response(status, headers, body, self.handle.getinfo(pycurl.TOTAL_TIME))

    def fault_of(self, error: pycurl.error) -> Exception:
        number, text = error.args[0], str(error.args[-1])
        return read_error(self.request, number, text, self._fault)


def _leaf(certificate: tuple[tuple[str, str], ...]) -> str:
    pem = next((value for name, value in certificate if name == "Cert"), "")
    return fingerprint_of(ssl.PEM_cert_to_DER_cert(pem))


def _system_authorities() -> tuple[tuple[int, str], ...]:
    paths = ssl.get_default_verify_paths()
    found = ((pycurl.CAINFO, paths.cafile), (pycurl.CAPATH, paths.capath))
    return tuple((option, path) for option, path in found if path)


_AUTHORITIES = _system_authorities()
_WEAK = "DEFAULT:@SECLEVEL=0"
"""What old controllers offer (short keys, SHA-1); a pin does not need better."""
_FIXED: tuple[tuple[int, Any], ...] = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.SSL_ENABLE_ALPN, 0),
    (pycurl.SSL_SESSIONID_CACHE, 0),
    (pycurl.DNS_CACHE_TIMEOUT, 0),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.PATH_AS_IS, 1),
    (pycurl.PROXY, ""),
    (pycurl.NOPROXY, "*"),
    (pycurl.TCP_KEEPALIVE, 1),
    *_AUTHORITIES,
)
