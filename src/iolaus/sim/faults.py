"""Fault rules at work on one device: which strike a request, and what they make of the answer.

Three kinds of effect. Some stand from the moment a rule is armed until it is disarmed (a wrong
clock, a session limit, a dead network); some act before the device does (latency, a status
instead of an answer, a write that is not done); some bend the honest answer afterwards.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from iolaus.sim import lies
from iolaus.sim.device import Device, merged
from iolaus.sim.http import JSON, Reply, Request
from iolaus.sim.replies import error_body, message
from iolaus.sim.roots.lies import LIES
from iolaus.sim.rules import Rule, Select
from iolaus.sim.tree import Page, Resource, canonical, decode

Bend = Callable[[str, Resource], Resource]
_STANDING = frozenset(
    {"clock", "subscriptions_vanish", "bad_events", "sessions_leak", "session_limit", *LIES}
)


class Armed:
    """A rule on a device: how many requests it saw, how often it struck."""

    def __init__(self, rule: Rule, since: float, random: Random) -> None:
        self.rule, self.since, self.random = rule, since, random
        self.seen = self.struck = 0
        self.frozen_until = 0.0
        self.snapshots: dict[str, Page] = {}
        self._path = re.compile(fnmatch.translate(rule.select.path))

    def strikes(self, request: Request, device: Device) -> bool:
        rule, select = self.rule, self.rule.select
        if select.method and request.method not in select.method:
            return False
        if not self._path.match(canonical(request.path)):
            return False
        age = device.clock.monotonic() - self.since
        if age < select.from_s or (select.until_s is not None and age >= select.until_s):
            return False
        self.seen += 1
        if self.seen <= select.after or (rule.times and self.struck >= rule.times):
            return False
        if select.probability < 1.0 and self.random.random() >= select.probability:
            return False
        self.struck += 1
        return True


def concerns(select: Select, device: Device) -> bool:
    return (
        fnmatch.fnmatchcase(device.name, select.device)
        and fnmatch.fnmatchcase(device.host, select.address)
        and all(fnmatch.fnmatchcase(device.labels.get(k, ""), v) for k, v in select.labels.items())
    )


class Faults:
    """`bends` are further lies by the id of their fault: what is made of the answer to a GET."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.armed: list[Armed] = []
        self.bends: dict[str, Bend] = {}
        self._rules = 0

    def arm(self, rule: Rule) -> None:
        armed = Armed(rule, self._device.clock.monotonic(), self._dice())
        self.armed.append(armed)
        if _stands(rule):
            select = rule.select
            if select.from_s > 0:
                self._device.later(select.from_s, lambda: self._begin(armed))
            else:
                self._begin(armed)
            if select.until_s is not None:
                self._device.later(select.until_s, lambda: self._drop(armed))

    def _dice(self) -> Random:
        """Each rule on each device has its own: what else is asked or armed does not move them."""
        device, self._rules = self._device, self._rules + 1
        return Random(f"{device.options.seed}/{device.name}/rule {self._rules}")  # noqa: S311

    def disarm(self, rule_id: str | None = None) -> int:
        """Take back the rules with this id (None: all); how many there were."""
        gone = [armed for armed in self.armed if rule_id in (None, armed.rule.id)]
        for armed in gone:
            self._drop(armed)
        return len(gone)

    def strike(self, request: Request) -> list[Armed]:
        return [
            armed
            for armed in self.armed
            if not _stands(armed.rule) and armed.strikes(request, self._device)
        ]

    def before(self, struck: Sequence[Armed], request: Request) -> Reply | None:
        """An answer instead of the device's own, if a rule has one."""
        for armed in struck:
            rule = armed.rule
            if rule.effect == "status":
                return _status(rule, request)
            if rule.effect == "die" and rule.how != "reset":
                self._device.down(rule.how, rule.for_s)
                reply = Reply(503)
                reply.hang = True
                return reply
            if rule.effect == "lie" and request.method not in ("GET", "HEAD"):
                ignored = self._ignored(armed, request)
                if ignored is not None:
                    return ignored
        return None

    def after(self, struck: Sequence[Armed], request: Request, reply: Reply) -> Reply:
        for armed in struck:
            rule = armed.rule
            if rule.effect == "replace":
                _replace(rule, reply)
            elif rule.effect == "die" and rule.how == "reset":
                reply.cut_at = len(reply.body) // 2 or -16
            elif rule.effect == "latency":
                reply.drip_bytes_per_s = rule.drip_bytes_per_s
            elif rule.effect == "lie":
                self._bend(armed, request, reply)
        return reply

    def shown(self, request: Request, reply: Reply) -> Reply:
        if request.method == "GET" and reply.status == 200 and _is_json(reply):
            found = decode(reply.body)
            for bend in self.bends.values():
                found = bend(canonical(request.path), found)
            reply.body = lies.encode(found)
        return reply

    def delay_s(self, struck: Sequence[Armed]) -> float:
        return sum(
            armed.rule.seconds * math.exp(armed.rule.sigma * armed.random.gauss(0, 1))
            for armed in struck
            if armed.rule.effect == "latency"
        )

    def _drop(self, armed: Armed) -> None:
        if armed in self.armed:
            self.armed.remove(armed)
            if _stands(armed.rule):
                self._end(armed.rule)

    def _begin(self, armed: Armed) -> None:
        device, rule = self._device, armed.rule
        if armed not in self.armed:
            return
        armed.struck += 1
        if rule.effect == "die":
            device.down(rule.how, rule.for_s)
        elif rule.lie == "clock":
            _set_clock(device, rule.offset_s)
        elif rule.lie == "session_limit":
            device.gate.limit = rule.count
        elif rule.lie == "sessions_leak":
            device.gate.leaks = True
        elif rule.lie == "bad_events":
            device.events.lies = frozenset(rule.names)
        elif rule.lie == "subscriptions_vanish":
            device.events.forgets_after = rule.count
        elif rule.lie in LIES and device.trust is not None:
            device.trust.tell(rule.lie, rule.select.path, rule.names)

    def _end(self, rule: Rule) -> None:
        device = self._device
        if rule.effect == "die":
            others = [a.rule for a in self.armed if a.rule.effect == "die" and _stands(a.rule)]
            device.down(others[-1].how) if others else device.up()
        elif rule.lie == "clock":
            _set_clock(device, 0.0)
        elif rule.lie == "session_limit":
            device.gate.limit = device.options.session_limit
        elif rule.lie == "sessions_leak":
            device.gate.leaks = False
        elif rule.lie == "bad_events":
            device.events.lies = frozenset()
        elif rule.lie == "subscriptions_vanish":
            device.events.forgets_after = None
        elif rule.lie in LIES and device.trust is not None:
            device.trust.stop(rule.lie, rule.select.path, rule.names)

    def _ignored(self, armed: Armed, request: Request) -> Reply | None:
        """A friendly answer to a write that is not done; None if it shall be done."""
        path = canonical(request.path)
        if path.startswith(self._device.gate.collection):
            return None
        lie = armed.rule.lie
        if lie == "stale_reads":
            owner = path.partition("/Actions/")[0]
            page = self._device.page(owner)
            if page is not None:
                armed.snapshots.setdefault(owner, page)
                armed.frozen_until = self._device.clock.monotonic() + armed.rule.seconds
        careless = lie == "drop_without_if_match" and "if-match" not in request.headers
        if lie == "accept_without_effect" or careless:
            page = self._device.page(path)
            if page is None or request.method != "PATCH":
                return Reply(204)
            return Reply(200, page.body, {"Content-Type": JSON, "ETag": page.etag})
        return None

    def _bend(self, armed: Armed, request: Request, reply: Reply) -> None:
        rule, etag = armed.rule, reply.headers.get("ETag")
        if rule.lie == "stale_reads":
            self._stale(armed, request, reply)
        elif rule.lie == "weak_etag" and etag:
            reply.headers["ETag"] = f"W/{etag.removeprefix('W/')}"
        elif rule.lie == "empty_etag" and etag:
            reply.headers["ETag"] = ""
        elif rule.lie == "gzip_etag" and etag:
            reply.headers["ETag"] = f'{etag.rstrip(chr(34))}-gzip"'
        elif rule.lie == "expand_drops" and "$expand" not in request.query:
            return
        elif reply.status == 200 and _is_json(reply):
            found = _each(decode(reply.body), rule.only, lambda one: self._bent(armed, one))
            reply.body = lies.encode(found)

    def _bent(self, armed: Armed, found: Resource) -> Resource:
        rule = armed.rule
        if rule.lie != "frozen":
            return lies.bend(rule.lie, found, rule.names)
        path = canonical(str(found.get("@odata.id")))
        return decode(armed.snapshots.setdefault(path, Page(lies.encode(found))).body)

    def _stale(self, armed: Armed, request: Request, reply: Reply) -> None:
        if request.method != "GET" or reply.status not in (200, 304):
            return
        if self._device.clock.monotonic() >= armed.frozen_until:
            armed.snapshots.clear()
        page = armed.snapshots.get(canonical(request.path))
        if page is not None:
            reply.status, reply.body = 200, page.body
            reply.headers |= {"ETag": page.etag, "Content-Type": JSON}


def _stands(rule: Rule) -> bool:
    """Whether a rule takes effect by being armed, and not by a request."""
    if rule.effect == "die" and rule.how != "reset":
        select = rule.select
        return select.path == "*" and not (select.method or select.after) and not rule.times
    return rule.effect == "lie" and rule.lie in _STANDING


def _set_clock(device: Device, offset_s: float) -> None:
    device.clock_offset_s = offset_s
    if device.socket is not None:
        device.socket.reissue()


def _status(rule: Rule, request: Request) -> Reply:
    headers = dict(rule.headers)
    if rule.retry_after_s is not None:
        headers["Retry-After"] = f"{rule.retry_after_s:g}"
    if isinstance(rule.body, str):
        return Reply(rule.status, rule.body.encode(), {"Content-Type": "text/html", **headers})
    if rule.body is not None:
        return Reply.of(rule.status, rule.body, headers)
    if rule.status < 400:
        return Reply(rule.status, b"", headers)
    name = rule.message or "GeneralError"
    text = {"ServiceTemporarilyUnavailable": f"{rule.retry_after_s or 1:g}"}
    argument = text.get(name, canonical(request.path))
    return Reply.of(rule.status, error_body([message(name, argument)]), headers)


def _replace(rule: Rule, reply: Reply) -> None:
    if rule.content_type:
        reply.headers["Content-Type"] = rule.content_type
    if rule.text is not None:
        reply.body = rule.text.encode()
    elif rule.raw:
        _raw(rule, reply)
    elif reply.status == 200 and _is_json(reply):
        reply.body = lies.encode(
            _each(decode(reply.body), rule.only, lambda one: _other(rule, one))
        )


def _other(rule: Rule, found: Resource) -> Resource:
    return lies.patched(merged(found, rule.merge or {}), rule.patch or [])


def _raw(rule: Rule, reply: Reply) -> None:
    if rule.raw == "truncated":
        reply.body = reply.body[: len(reply.body) // 2]
    elif rule.raw == "wrong_length":
        reply.length = len(reply.body) + 1000
    elif rule.raw == "html":
        reply.body = b"<html><head><title>Login</title></head><body>Please log in</body></html>"
        reply.headers["Content-Type"] = rule.content_type or "text/html"
    elif rule.raw == "huge":
        reply.body = b'{"Name":"' + b"x" * rule.size_bytes + b'"}'
    elif rule.raw == "invalid_utf8":
        reply.body = b'{"Name":"\xff\xfe\xc3\x28","Members":[]}'
    else:
        reply.body = b"" if rule.raw == "empty" else b"[]"


def _each(found: Resource, kind: str, change: Callable[[Resource], Resource]) -> Resource:
    """The answer with every resource of this type in it changed, expanded ones too; with no type
    the answer itself."""
    return change(found) if not kind else dict(_walk(found, f"#{kind}.", change))


def _walk(found: Any, start: str, change: Callable[[Resource], Resource]) -> Any:
    if isinstance(found, list):
        return [_walk(item, start, change) for item in found]
    if not isinstance(found, dict):
        return found
    said = found.get("@odata.type")
    if isinstance(said, str) and said.startswith(start):
        return change(found)
    return {name: _walk(value, start, change) for name, value in found.items()}


def _is_json(reply: Reply) -> bool:
    return reply.headers.get("Content-Type", "").startswith("application/json")
