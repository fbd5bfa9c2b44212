"""Ten minutes of spoilt bytes for each parser of what devices say beside evidence."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Coroutine
from typing import Any

from iolaus.drivers.ports import Asked
from iolaus.drivers.redfish.attest import ask_signed, read_shown, read_signed
from iolaus.drivers.redfish.certificates import read_certificates
from iolaus.drivers.redfish.events import parse_text
from iolaus.kernel.errors import IolausError
from iolaus.observe.ssdp import SERVICE, parse_answer
from iolaus.observe.surface import read_shown as read_certificate
from iolaus.wire.ipmi.login import Login, Refused
from iolaus.wire.ipmi.packets import (
    SOL,
    SUITES,
    keys_of,
    parse,
    parse_piece,
    parse_reply,
    plain,
    sealed,
)
from iolaus.wire.redfish.body import Body, BodyGarbled, BodyTooLarge
from iolaus.wire.redfish.decode import parse_object
from iolaus.wire.redfish.errors import refusal
from iolaus.wire.redfish.head import parse_head
from iolaus.wire.redfish.sse import Parser as EventStream
from tests.drivers.redfish.build import harvest_of, typed
from tests.drivers.redfish.test_attest import ACTION, ANSWER, CHAIN, PEM, QUESTION, TASK, attester
from tests.drivers.redfish.test_certificates import URI
from tests.drivers.redfish.write.fake import FakeWriter
from tests.observe.test_ssdp import answer as announced
from tests.observe.test_surface import DER
from tests.wire.soaking import Parser, soak, soaks

PLAIN = json.dumps({"Name": "Chassis", "Reading": 41.5, "Members": [{"@odata.id": "/a"}]}).encode()
ERROR = json.dumps(
    {"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.8.Success", "MessageArgs": ["a"]}]}}
).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRetry-After: 30\r\n\r\n"
STREAM = b"id: 7\nevent: alert\nretry: 10\ndata: {\ndata: }\n\n: comment\n\ndata: x\n\n"
EVENT = json.dumps(
    {"Events": [{"EventId": "1", "MessageId": "A.1.0.B", "EventTimestamp": "2026-01-01T00:00:00Z",
                 "OriginOfCondition": {"@odata.id": "/a"}}]}
).encode()  # fmt: skip
ANSWERED = json.dumps(
    {**ANSWER, "TaskState": "Completed", "Payload": {"HttpHeaders": [f"Location: {CHAIN}"]},
     "Messages": [{"Message": "no bus"}]}
).encode()  # fmt: skip


def _body(data: bytes) -> object:
    found = []
    for coding in ("gzip", "deflate"):
        body = Body(coding=coding, max_bytes=1 << 20)
        try:
            body.feed(data)
            found.append(body.finish())
        except (BodyGarbled, BodyTooLarge):
            continue
    return found


def _object(data: bytes) -> object:
    return parse_object(data, uri="/x")


def _refusal(data: bytes) -> object:
    return refusal(400, {}, data, operation="GET", subject="x", now=0)


def _stream(data: bytes) -> object:
    return EventStream(max_line=64, max_event=128).feed(data)


def _announced(data: bytes) -> object:
    return parse_answer(data, "10.0.0.7")


def _pushed(data: bytes) -> object:
    return parse_text(data, received_at=1.0)


def _certificate(data: bytes) -> object:
    text = data.decode("latin-1")
    whole = {URI: typed("Certificate", CertificateString=text, CertificateType="PEM")}
    return read_certificates(harvest_of(whole))


def _done(work: Coroutine[Any, Any, object]) -> object:
    """Run what never waits."""
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")


def _measured(data: bytes) -> object:
    """An answer as its controller's JSON, once directly and once as a task."""
    body, _ = parse_object(data, uri="/x")
    device = FakeWriter({TASK: body, CHAIN: {"CertificateString": data.decode("latin-1")}})
    device.answers["POST", ACTION] = 200, body, {}
    shown = _done(read_shown(device, attester()))
    asked = _done(read_signed(device, Asked(at=0.0, task=TASK, monitor=CHAIN)))
    return shown, asked, _done(ask_signed(device, attester(), QUESTION, chain=b""))


def _datagram(data: bytes) -> object:
    """Of IPMI, at every step at which one is waited for."""
    login = Login("root", "secret", SUITES[0])
    login.begin()
    packet = parse(data, IPMI_KEYS)
    try:
        said = login.heard(packet) if packet else None
    except Refused:
        said = None
    return said, parse_reply(data), parse_piece(data)


IPMI_KEYS = keys_of(SUITES[0], bytes(32))
IPMI = sealed(SOL, b"\1\0\0\0text", session=1, sequence=1, keys=IPMI_KEYS)

PARSERS: dict[str, Parser] = {
    "ipmi": (_datagram, (IPMI, plain(0x11, bytes(36)), plain(0x13, bytes(60)))),
    "body": (_body, (gzip.compress(PLAIN), zlib.compress(PLAIN))),
    "object": (_object, (PLAIN, b"\xff\xfe{\0}\0", b"{" * 100)),
    "refusal": (_refusal, (ERROR, PLAIN)),
    "head": (parse_head, (HEAD, HEAD + HEAD)),
    "stream": (_stream, (STREAM,)),
    "announcement": (_announced, (announced(ST=SERVICE, AL="https://10.0.0.7/redfish/v1"),)),
    "event": (_pushed, (EVENT, PLAIN)),
    "shown-certificate": (read_certificate, (DER,)),
    "told-certificate": (_certificate, (PEM.encode(),)),
    "measured-answer": (_measured, (ANSWERED, json.dumps(ANSWER).encode())),
}


@soaks(PARSERS)
def test_any_bytes_for_long(name: str) -> None:
    soak(name, PARSERS[name], IolausError)
