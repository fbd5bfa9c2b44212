"""One taxonomy for every way a controller says no.

Status codes alone mislead: a full session table comes as 503, 400 or 403; "not now" as 409, 400
or 500; a missing licence as 403 or 400. So the MessageIds and texts of
`error.@Message.ExtendedInfo` (DSP0266 section 8.6) are read too, and the outcome is one code out
of `Code`. Registry prefixes and versions are dropped: only the last part of a MessageId counts,
because makers copy standard messages into registries of their own.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, IolausError
from iolaus.wire.redfish.decode import parse_object


class LoginUnanswered(DeviceSilent):
    """A password was sent and nobody said what came of it: the device may count a failed login."""


class Code(StrEnum):
    NOT_FOUND = "NotFound"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    FORBIDDEN = "Forbidden"
    PASSWORD_CHANGE_REQUIRED = "PasswordChangeRequired"  # noqa: S105 - a code
    NO_SESSION_SLOTS = "NoSessionSlots"
    BUSY = "Busy"
    TRANSIENT = "Transient"
    NOT_SUPPORTED = "NotSupported"
    PRECONDITION_FAILED = "PreconditionFailed"
    PRECONDITION_REQUIRED = "PreconditionRequired"
    LICENSE_MISSING = "LicenseMissing"
    ALREADY_SO = "AlreadySo"
    BAD_REQUEST = "BadRequest"
    SERVER_ERROR = "ServerError"
    REDIRECTED = "Redirected"


TRANSIENT_CODES = frozenset({Code.BUSY, Code.TRANSIENT, Code.NO_SESSION_SLOTS, Code.SERVER_ERROR})
"""Worth asking again in a window; every other refusal stands until something changes."""

_BY_STATUS = {
    400: Code.BAD_REQUEST,
    401: Code.AUTHENTICATION_FAILED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    405: Code.NOT_SUPPORTED,
    408: Code.BUSY,
    409: Code.TRANSIENT,
    410: Code.NOT_FOUND,
    412: Code.PRECONDITION_FAILED,
    423: Code.BUSY,
    425: Code.BUSY,
    428: Code.PRECONDITION_REQUIRED,
    429: Code.BUSY,
    501: Code.NOT_SUPPORTED,
    502: Code.BUSY,
    503: Code.BUSY,
    504: Code.BUSY,
    507: Code.TRANSIENT,
}
_BY_MESSAGE = {
    "SessionLimitExceeded": Code.NO_SESSION_SLOTS,
    "NoOperation": Code.ALREADY_SO,
    "PasswordChangeRequired": Code.PASSWORD_CHANGE_REQUIRED,
    "InsufficientPrivilege": Code.FORBIDDEN,
    "ResourceAtUriUnauthorized": Code.FORBIDDEN,
    "AccountForSessionNoLongerExists": Code.AUTHENTICATION_FAILED,
    "NoValidSession": Code.AUTHENTICATION_FAILED,
    "ServiceTemporarilyUnavailable": Code.BUSY,
    "ServiceInUnknownState": Code.BUSY,
    "ServiceShuttingDown": Code.BUSY,
    "ResourceInUse": Code.TRANSIENT,
    "ResourceInStandby": Code.TRANSIENT,
    "ResourceNotReady": Code.TRANSIENT,
    "ResourceNotReadyRetry": Code.TRANSIENT,
    "DeviceNotReady": Code.TRANSIENT,
    "ResourceExhaustion": Code.TRANSIENT,
    "ActionNotSupported": Code.NOT_SUPPORTED,
    "OperationNotAllowed": Code.NOT_SUPPORTED,
    "PreconditionFailed": Code.PRECONDITION_FAILED,
    "PreconditionRequired": Code.PRECONDITION_REQUIRED,
    "ResourceNotFound": Code.NOT_FOUND,
    "ResourceMissingAtURI": Code.NOT_FOUND,
}
_BY_TEXT = (
    (
        re.compile(
            r"session.{0,80}(limit|maxim|exceed|exhaust|no more|too many|full)"
            r"|(limit|maxim|exceed|too many|no more|no free).{0,60}session",
            re.IGNORECASE | re.DOTALL,
        ),
        Code.NO_SESSION_SLOTS,
    ),
    (re.compile(r"licen[cs]e|licensing", re.IGNORECASE), Code.LICENSE_MISSING),
    (
        re.compile(
            r"during post\b|in post\b|not ready|try again|temporar|retry|in progress"
            r"|currently (busy|unavailable|running)|is busy",
            re.IGNORECASE,
        ),
        Code.TRANSIENT,
    ),
)
_TEXT_MAY_SAY = {
    Code.NO_SESSION_SLOTS: frozenset({400, 403, 409, 429, 500, 503, 507}),
    Code.LICENSE_MISSING: frozenset({400, 401, 402, 403, 404, 405, 409, 500, 501}),
    Code.TRANSIENT: frozenset({400, 403, 409, 500, 503}),
}
_NEXT = {
    Code.AUTHENTICATION_FAILED: "check user and password; wrong ones may lock the account",
    Code.FORBIDDEN: "give the account the privilege, or use another account",
    Code.PASSWORD_CHANGE_REQUIRED: "change the account's password on the device first",
    Code.NO_SESSION_SLOTS: "wait, or end stale sessions on the device",
    Code.LICENSE_MISSING: "install the licence that this function needs",
    Code.PRECONDITION_FAILED: "read it again: it changed meanwhile",
    Code.BUSY: "ask again later",
    Code.TRANSIENT: "ask again when its current work is over",
}
_MAX_MESSAGES, _MAX_TEXT, _MAX_PROPERTIES = 16, 400, 2_000


def extended_info(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(MessageId without registry and version, text) of each message, however it is wrapped."""
    error = body.get("error")
    holders = [error if isinstance(error, dict) else {}, body]
    found: list[tuple[str, str]] = []
    for holder in holders:
        info = holder.get("@Message.ExtendedInfo")
        entries = info if isinstance(info, list) else [info]
        found.extend(
            _message(entry.get("MessageId"), entry.get("Message"))
            for entry in entries[:_MAX_MESSAGES]
            if isinstance(entry, dict)
        )
        if isinstance(holder.get("code"), str):
            found.append(_message(holder["code"], holder.get("message")))
    return tuple(pair for pair in found[:_MAX_MESSAGES] if any(pair))


def _message(message_id: Any, text: Any) -> tuple[str, str]:
    word = message_id.rsplit(".", 1)[-1][:80] if isinstance(message_id, str) else ""
    return word, " ".join(text.split())[:_MAX_TEXT] if isinstance(text, str) else ""


class PropertiesRefused(DeviceRefused):
    """Some properties of a write were refused: `properties` maps each to what is said of it.

    A name is a JSON pointer without its leading slash ("NTP/ProtocolEnabled"); of a setting among
    `Attributes` it is the attribute's own. `status` may be a 2xx: then the rest was taken.
    """

    properties: Mapping[str, str] = {}


_OF_PROPERTIES = {
    "PropertyUnknown": 0,
    "PropertyNotWritable": 0,
    "PropertyMissing": 0,
    "PropertyNotUpdated": 0,
    "PropertyDuplicate": 0,
    "PropertyValueTypeError": 1,
    "PropertyValueNotInList": 1,
    "PropertyValueFormatError": 1,
    "PropertyValueOutOfRange": 1,
    "PropertyValueIncorrect": 0,
    "PropertyValueError": 0,
    "PropertyValueConflict": 0,
    "PropertyValueExternalConflict": 0,
    "PropertyValueResourceConflict": 0,
}
"""Base registry (DSP8011): message -> which of its arguments names the property."""
_ANNOTATED = "@Message.ExtendedInfo"


def refused_properties(body: Mapping[str, Any]) -> dict[str, str]:
    """What an answer says against single properties, by name, however it is wrapped."""
    error = body.get("error")
    attributes = body.get("Attributes")
    found: dict[str, str] = {}
    for holder in (error if isinstance(error, dict) else {}, body):
        for entry in _entries(holder.get(_ANNOTATED)):
            found.update(_of_property(entry))
    for holder in (body, attributes if isinstance(attributes, dict) else {}):
        for key, value in list(holder.items())[:_MAX_PROPERTIES]:
            name = key.removesuffix(_ANNOTATED) if isinstance(key, str) else ""
            if name and name != key:
                for entry in _entries(value):
                    found.update(_of_property(entry, name))
    return found


def _entries(info: Any) -> list[dict[str, Any]]:
    entries = info if isinstance(info, list) else [info]
    return [entry for entry in entries[:_MAX_MESSAGES] if isinstance(entry, dict)]


def _of_property(entry: Mapping[str, Any], name: str = "") -> dict[str, str]:
    word, text = _message(entry.get("MessageId"), entry.get("Message"))
    if word not in _OF_PROPERTIES:
        return {}
    related, args = entry.get("RelatedProperties"), entry.get("MessageArgs")
    if not name and isinstance(related, list) and related and isinstance(related[0], str):
        name = related[0]
    at = _OF_PROPERTIES[word]
    if not name and isinstance(args, list) and len(args) > at and isinstance(args[at], str):
        name = args[at]
    name = _printable(name.lstrip("#").strip("/").removeprefix("Attributes/"))[:128]
    return {name: _printable(text) or word} if name else {}


def classify(status: int, messages: Iterable[tuple[str, str]]) -> Code:
    """The one code for a status of 400 or more and the messages that came with it."""
    pairs = tuple(messages)
    for code in (_BY_MESSAGE.get(word) for word, _ in pairs):
        if code is not None and not _contradicts(code, status):
            return code
    everything = " ".join(f"{word} {text}" for word, text in pairs)
    for pattern, code in _BY_TEXT:
        if status in _TEXT_MAY_SAY[code] and pattern.search(everything):
            return code
    return _BY_STATUS.get(status, Code.BAD_REQUEST if status < 500 else Code.SERVER_ERROR)


def _contradicts(code: Code, status: int) -> bool:
    """A wrong password stays one, and a missing resource stays missing, whatever is said."""
    return status in (401, 404, 412) and code is not _BY_STATUS[status]


def refusal(
    status: int, headers: Mapping[str, str], raw: bytes, *, operation: str, subject: str, now: float
) -> DeviceRefused:
    """The error for an answer of 400 and more. Never raises, whatever the body is."""
    body = _object_or_nothing(raw)
    messages, properties = extended_info(body), refused_properties(body)
    code = classify(status, messages)
    said = next((text for word, text in messages if text and word != "GeneralError"), "")
    kind = PropertiesRefused if properties else DeviceRefused
    named = [name for name in properties if name not in said]
    refused = kind(
        f"HTTP {status} {code}"
        + (f": {_printable(said)}" if said else "")
        + (f" (also refused: {', '.join(named[:8])})" if named else ""),
        operation=operation,
        subject=subject,
        code=code,
        next_step=_NEXT.get(code, ""),
        status=status,
        retry_after_s=retry_after_s(headers.get("retry-after"), now=now),
    )
    if isinstance(refused, PropertiesRefused):
        refused.properties = properties
    return refused


def is_transient(error: IolausError) -> bool:
    """Whether the same request may succeed later without anybody doing anything."""
    if isinstance(error, DeviceRefused):
        return error.code in TRANSIENT_CODES
    return isinstance(error, DeviceSilent)


def retry_after_s(text: str | None, *, now: float, most_s: float = 3600.0) -> float | None:
    """`Retry-After` as seconds (RFC 9110 section 10.2.3), bounded; None if unreadable."""
    if not text:
        return None
    if re.fullmatch(r"\s*[0-9]{1,9}(\.[0-9]{0,9})?\s*", text):
        return min(float(text), most_s)
    try:
        due = email.utils.parsedate_to_datetime(text[:64]).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(0.0, due - now), most_s)


def _object_or_nothing(raw: bytes) -> dict[str, Any]:
    try:
        return parse_object(raw, uri="")[0] if raw else {}
    except DeviceLied:
        return {}


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
