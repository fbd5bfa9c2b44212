"""libcurl's error numbers and what our callbacks found, as errors of ours."""

from __future__ import annotations

import pycurl

from iolaus.wire.redfish.body import BodyGarbled, BodyTooLarge
from iolaus.wire.redfish.faults import lied, silent
from iolaus.wire.redfish.port import Request

_TIMED_OUT = 28
_OURS = frozenset({0, pycurl.E_ABORTED_BY_CALLBACK, pycurl.E_WRITE_ERROR})
_UNTRUSTED = frozenset({pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE})
_UNREACHED = frozenset({pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_CONNECT})
_CUT = ("syscall", "reset", "unexpected eof", "broken pipe", "eof")


class PinMismatch(Exception):
    """The connection shows another certificate than the pinned one; nothing was sent on it."""

    def __init__(self, shown: str) -> None:
        super().__init__(shown)
        self.shown = shown


class Untrusted(Exception):
    """The chain, the name or the dates did not verify."""


class Unproven(Exception):
    """A reused connection whose certificate is not remembered; nothing was sent on it."""


def read_error(request: Request, number: int, text: str, fault: Exception | None) -> Exception:
    """`number` and `text` are libcurl's (curl/curl.h, CURLcode), `fault` our callback's."""
    if fault is not None and number in _OURS:
        return _worded(request, fault)
    low = text.lower()
    if number == _TIMED_OUT:
        return silent(request, f"no complete answer within {request.timeout_s:g} s")
    if number in _UNTRUSTED:
        return Untrusted(text)
    if number in _UNREACHED:
        return silent(request, text)
    if number in (pycurl.E_PARTIAL_FILE, pycurl.E_GOT_NOTHING) or _any_of(_CUT, low):
        return silent(request, f"the connection was cut before the end of the answer: {text}")
    if number == pycurl.E_SSL_CONNECT_ERROR:
        return lied(request, f"TLS failed: {text}", "NotTls")
    if number in (pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR) and "chunk" not in low:
        return silent(request, text)
    return lied(request, f"not HTTP: {text}", "NotHttp")


def _any_of(words: tuple[str, ...], text: str) -> bool:
    return any(word in text for word in words)


def _worded(request: Request, fault: Exception) -> Exception:
    if isinstance(fault, BodyTooLarge):
        return lied(request, f"the answer is too large: {fault}", "TooLarge")
    if isinstance(fault, BodyGarbled):
        return lied(request, f"not HTTP: {fault}", "NotHttp")
    return fault
