"""A hand-written device behind the `Conversation` port: it waits, counts, refuses and locks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from iolaus.drivers.lane import Lane, LaneRules
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from iolaus.wire.redfish.port import Answer
from iolaus.wire.redfish.upload import Upload

V1 = "/redfish/v1"


class FakeDevice:
    """`state` holds bodies by URI; `latency_s` how long an answer takes; `mute` that none comes.

    Sessions are counted as a controller counts them: `slots` of them, and a wrong `password`
    `lock_after` times locks the account.
    """

    def __init__(self, clock: JumpClock) -> None:
        self.clock, self.address = clock, "https://bmc1"
        self.state: dict[str, dict[str, Any]] = {}
        self.latency_s: Callable[[str, str], float] = lambda method, uri: 0.1
        self.mute = False
        self.refuse: dict[str, int] = {}
        self.log: list[tuple[float, str, str]] = []
        self.etags: list[str | None] = []
        self.tags: dict[str, str] = {}
        self.now_running = self.most_running = 0
        self.sessions = self.most_sessions = 0
        self.slots, self.stale = 8, 0
        self.right_password = True
        self.failed_logins, self.lock_after = 0, 3
        self.logins = self.logouts = self.reaps = 0
        self.login_s = 0.1
        self.session_valid = False
        self.opened = False
        self.basic_until = 0.0
        self.stream_events: list[Any] = []
        self.timeouts: list[float] = []
        self.pushed = b""

    # --- the port -----------------------------------------------------------------------------

    @property
    def has_session(self) -> bool:
        return self.opened

    @property
    def wants_login(self) -> bool:
        return not self.opened and self.clock.monotonic() >= self.basic_until

    async def login(self) -> None:
        self.logins += 1
        await self._answering(self.login_s, 30.0)
        self._judge_password("log in to")
        if self.sessions >= self.slots:
            self.basic_until = self.clock.monotonic() + 60.0
            return
        self.sessions += 1
        self.most_sessions = max(self.most_sessions, self.sessions)
        self.opened = self.session_valid = True

    async def logout(self) -> None:
        if self.opened:
            self.logouts += 1
            self.opened = False
            await self._answering(self.login_s, 10.0)
            self.sessions -= 1

    async def reap(self) -> int:
        self.reaps += 1
        gone, self.stale = self.stale, 0
        self.sessions -= gone
        return gone

    async def request(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        etag: str | None = None,
        if_match: str | None = None,
        timeout_s: float = 30.0,
    ) -> Answer:
        began = self.clock.monotonic()
        self.log.append((began, method, uri))
        self.timeouts.append(timeout_s)
        self.etags.append(etag)
        await self._answering(self.latency_s(method, uri), timeout_s)
        if self.opened and not self.session_valid:
            await self.logout()
            await self.login()
        if not self.opened:
            self._judge_password(method)
        if status := self.refuse.get(uri):
            raise refused(status, method, uri)
        if method == "PATCH" and body:
            self.state.setdefault(uri, {}).update(body)
        same = etag is not None and etag == self.tags.get(uri)
        return Answer(
            uri=uri,
            status=304 if same else 200,
            body={} if same else dict(self.state.get(uri, {})),
            headers={},
            at=self.clock.now(),
            elapsed_s=self.clock.monotonic() - began,
            etag=self.tags.get(uri),
        )

    async def push(self, uri: str, upload: Upload, *, timeout_s: float) -> Answer:
        answer = await self.request("POST", uri, timeout_s=timeout_s)
        pour, self.pushed = upload.open(), b""
        while piece := pour.read(4096):
            self.pushed += piece
        return answer

    @property
    def crowded(self) -> bool:
        return False

    def log_in_anew(self) -> None:
        """It never stands in with Basic."""

    async def fetch(self, uri: str, *, timeout_s: float, max_bytes: int) -> bytes:
        del timeout_s, max_bytes
        return str(self.state.get(uri, "")).encode()

    async def stream(
        self, uri: str, *, last_event_id: str | None = None, timeout_s: float = 90.0
    ) -> AsyncIterator[Any]:
        for event in self.stream_events:
            await self.clock.sleep(1.0)
            yield event

    # --- how it behaves -----------------------------------------------------------------------

    async def _answering(self, latency_s: float, timeout_s: float) -> None:
        self.now_running += 1
        self.most_running = max(self.most_running, self.now_running)
        try:
            if self.mute or latency_s > timeout_s:
                await self.clock.sleep(timeout_s)
                raise DeviceSilent("no answer", operation="ask", subject=self.address)
            await self.clock.sleep(latency_s)
        finally:
            self.now_running -= 1

    def _judge_password(self, operation: str) -> None:
        if self.right_password and self.failed_logins < self.lock_after:
            return
        self.failed_logins += 1
        raise refused(401, operation, "")

    @property
    def locked(self) -> bool:
        return self.failed_logins >= self.lock_after

    def count(self, method: str, uri: str) -> int:
        return Counter((m, u) for _, m, u in self.log)[method, uri]

    def order(self) -> list[str]:
        return [uri for _, _, uri in self.log]


def refused(status: int, operation: str, uri: str) -> DeviceRefused:
    return DeviceRefused(f"HTTP {status}", operation=operation, subject=uri, status=status)


def lane_of(device: FakeDevice, **options: Any) -> Lane:
    rules = options.pop("rules", LaneRules())
    return Lane(device.address, device, device.clock, rules=rules, **options)


async def settle(turns: int = 10) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
