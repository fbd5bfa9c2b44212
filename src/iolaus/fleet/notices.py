"""Alarms as others want to be told of them: Alertmanager's API v2, and a signed webhook.

One POST, no redirect followed, nothing repeated: what was not taken is sent again by whoever keeps
it. A webhook's body is signed with HMAC-SHA256 (RFC 2104) in `Iolaus-Signature: sha256=HEX`; `at`
is in the body, and `Idempotency-Key` is the same for the same body sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import msgspec

from iolaus.kernel.errors import DeviceRefused, DeviceSilent, IolausError, OperatorMust
from iolaus.kernel.tls import trusted
from iolaus.model.alarm import SHOWN, Alarm
from iolaus.model.alarm_kinds import ALARM_KINDS

SIGNATURE: Final = "Iolaus-Signature"
ALERTS: Final = "/api/v2/alerts"
TIMEOUT_S: Final = 15.0
HOLDS_S: Final = 300.0
"""An alert that is not repeated within this time is over (Alertmanager's own usual word)."""
AGAIN: Final = frozenset({408, 425, 429})


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm as it stands after a change, and the state before ("": there was none)."""

    alarm: Alarm
    before: str = ""


def alert(alarm: Alarm, *, now: float, web: str = "") -> dict[str, Any]:
    """A postableAlert (Alertmanager's OpenAPI, v2). What is hidden or over has ended. `web` is
    what the addresses of our pages begin with."""
    rings = alarm.active and alarm.state in SHOWN
    labels = {
        **{_label(key): value for key, value in alarm.labels.items() if value},
        "alertname": alarm.code,
        "severity": alarm.priority.value,
        "subject": alarm.subject,
        "rack": alarm.rack,
        "endpoint": alarm.endpoint,
    }
    annotations = {
        "summary": alarm.message,
        "next_step": alarm.next_step,
        "runbook_url": runbook_url(alarm, web),
    }
    return {
        **({"generatorURL": f"{web}/ui/alarms"} if web else {}),
        "labels": {key: value for key, value in labels.items() if value},
        "annotations": {key: value for key, value in annotations.items() if value},
        "startsAt": moment(alarm.since),
        "endsAt": moment(now + HOLDS_S if rings else max(now, alarm.since)),
    }


def runbook_url(alarm: Alarm, web: str) -> str:
    return f"{web}/ui/runbooks/{alarm.code}" if web and alarm.code in ALARM_KINDS else ""


def body(turns: Iterable[Turn], *, at: float, ident: str, web: str = "") -> bytes:
    """What a webhook is sent."""
    rows = [
        {
            "before": turn.before,
            "name": turn.alarm.name,
            "runbook_url": runbook_url(turn.alarm, web),
            **msgspec.to_builtins(turn.alarm),
        }
        for turn in turns
    ]
    return msgspec.json.encode({"version": 1, "id": ident, "at": at, "alarms": rows})


def signed(secret: str, data: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()}"


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _label(key: str) -> str:
    """A label name as Prometheus wants it."""
    word = "".join(c if c.isascii() and c.isalnum() else "_" for c in key)
    return f"_{word}" if word[:1].isdigit() else word or "_"


async def post(
    url: str, data: bytes, *, headers: Mapping[str, str], ca_file: str | None, subject: str
) -> None:
    """Raises `DeviceSilent` where it may be sent again, `DeviceRefused` where that is no use."""
    try:
        verify = trusted(url)
        if ca_file is not None:
            verify = ssl.create_default_context(cafile=ca_file)
        async with httpx.AsyncClient(
            timeout=TIMEOUT_S, trust_env=False, verify=verify, follow_redirects=False
        ) as client:
            sent = {"Content-Type": "application/json", **headers}
            answer = await client.post(url, content=data, headers=sent)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise _silent(str(error) or type(error).__name__, subject) from None
    except (OSError, ssl.SSLError) as error:
        raise OperatorMust(
            f"its authorities cannot be read: {error}",
            operation="send alarms",
            subject=subject,
            code="BadAuthorities",
            next_step="name a readable PEM file in caFile.",
        ) from None
    if answer.status_code >= 300:
        raise _refused(answer.status_code, answer.text, subject)


def _silent(why: str, subject: str) -> DeviceSilent:
    return DeviceSilent(
        why[:200],
        operation="send alarms",
        subject=subject,
        code="ReceiverSilent",
        next_step="what was not taken is kept and sent again.",
    )


def _refused(status: int, text: str, subject: str) -> IolausError:
    said = " ".join("".join(c if c.isprintable() else " " for c in text[:400]).split())[:160]
    why = f"it answered {status}" + (f": {said}" if said else "")
    if status >= 500 or status in AGAIN:
        return _silent(why, subject)
    return DeviceRefused(
        why,
        operation="send alarms",
        subject=subject,
        code="ReceiverRefused",
        next_step="look at its log; what it refused lies in outbox/refused.",
        status=status,
    )
