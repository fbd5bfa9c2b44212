"""One simulated device: its resources as they are now, and everything that may change them.

A device is a tree it started with, an overlay of what has changed since (whole resources, copied
on first change), and optionally live values (`Live`: sensors as a function of seed and time) and
a life of its own (`Effects`: what a write or an action does beyond the standard's rules, such as
an outlet that cuts the server behind it). Every change, whoever makes it, goes through `put`,
`patch` or `remove`, so that nothing is missed by effects, ETags or the oracle.

The device knows nothing of HTTP: `service.py` speaks the protocol, `server.py` owns the socket.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

import msgspec

from iolaus.kernel.clock import Clock, WallClock
from iolaus.sim.auth import Gate
from iolaus.sim.clock import Timer, after
from iolaus.sim.effects import attentive
from iolaus.sim.http import Connection, Feed, Request
from iolaus.sim.outcome import Outcome as Outcome
from iolaus.sim.roots.firmware import Image
from iolaus.sim.sse import Events
from iolaus.sim.tasks import Tasks
from iolaus.sim.tree import Page, Resource, Tree, canonical, decode, fingerprint

DEFAULT_USER = "root"
DEFAULT_PASSWORD = "iolaus-sim"  # noqa: S105  a published default of a simulator


class Live(Protocol):
    """Live values: the resource as it is at `t` (seconds since 1970). May change `resource` in
    place and return it. Must depend on nothing but its own seed, the resource and the time."""

    def __call__(self, path: str, resource: Resource, t: float) -> Resource: ...


class Effects(Protocol):
    """A device's own reactions. Those of several rooms are composed in `effects.py`, where the
    moments beyond these two are.

    `written` is told after each change (from outside or from within; `before` is None for a new
    resource, `after` None for a removed one). `acted` may do an action itself and return what to
    answer; None leaves the action to the standard's rules.
    """

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None: ...

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None: ...


class Trust(Protocol):
    """A device's roots of trust: resources made when they are read, actions that are answered
    with signatures, and what they lie about."""

    @property
    def paths(self) -> Container[str]: ...

    def shown(self, device: Device, path: str, resource: Resource) -> Resource: ...

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None: ...

    def booted(self, device: Device, path: str) -> None: ...

    def tell(self, kind: str, path: str, names: Sequence[str]) -> None: ...

    def stop(self, kind: str, path: str, names: Sequence[str]) -> None: ...

    def truth(self, device: Device) -> Resource: ...


class Socket(Protocol):
    """The device's place on the network, as the hall gives it one."""

    def down(self, how: str) -> None: ...

    def up(self) -> None: ...

    def reissue(self) -> None: ...

    def install(self, pem: bytes) -> None: ...

    def shown(self) -> bytes: ...


Opens = Callable[[Request, Connection], Feed | None]
"""What takes a connection over that wants another protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Time to answer: a log-normal round `median_s` with shape `sigma`, never under `floor_s`;
    multiplied for paths that match a glob of `factors` (the first match counts)."""

    median_s: float = 0.0
    sigma: float = 0.0
    floor_s: float = 0.0
    factors: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a device's controller behaves. A limit of 0 means no limit. `to_the_letter`: it keeps to
    what many makers leave out (Allow and Link on every GET, members of logs whole)."""

    accounts: Mapping[str, str] = field(default_factory=lambda: {DEFAULT_USER: DEFAULT_PASSWORD})
    sessions: bool = True
    basic: bool = True
    session_limit: int = 8
    session_timeout_s: float = 1800.0
    lockout_after: int = 0
    lockout_s: float = 300.0
    subscription_limit: int = 20
    page_size: int = 0
    to_the_letter: bool = False
    slots: int = 0
    refuse_when_full: bool = False
    max_connections: int = 0
    latency: Latency = Latency()
    max_body_bytes: int = 1 << 20
    require_if_match: bool = False
    power_on_s: float = 2.0
    power_off_s: float = 0.5
    graceful_off_s: float = 2.0
    bmc_reset_s: float = 5.0
    task_s: float = 5.0
    seed: int = 0


class Counters:
    """What reached the device, for the oracle."""

    def __init__(self) -> None:
        self.in_flight = self.open_connections = 0
        self.order: list[tuple[float, str, str]] | None = None
        self.restart()

    def restart(self) -> None:
        """Count from nothing again; what is going on goes on."""
        self.requests = 0
        self.connections = 0
        self.max_in_flight = 0
        self.max_sessions = 0
        self.auth_failures = 0
        self.by_method: dict[str, int] = {}
        self.by_path: dict[str, int] = {}
        self.by_status: dict[str, int] = {}
        if self.order is not None:
            self.order = []

    def arrived(self, method: str, path: str, t: float) -> None:
        self.requests += 1
        self.by_method[method] = self.by_method.get(method, 0) + 1
        self.by_path[path] = self.by_path.get(path, 0) + 1
        if self.order is not None:
            self.order.append((t, method, path))

    def entered(self) -> None:
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def left(self, status: int) -> None:
        self.in_flight -= 1
        word = str(status)
        self.by_status[word] = self.by_status.get(word, 0) + 1


class Device:
    """`tree` is what it starts with; `live_paths` are the only paths `live` is asked about
    (None: all of them, which costs a decode per read). `host` is its 127.x.y.z; the hall gives it
    one if it has none, and then its `address` and the certificate's `fingerprint`. `sockets` are
    its WebSockets by path. `running` are images by firmware entry that were flashed: what roots of
    trust measure there."""

    def __init__(
        self,
        tree: Tree,
        *,
        name: str,
        host: str = "",
        labels: Mapping[str, str] | None = None,
        options: Options | None = None,
        live: Live | None = None,
        live_paths: Container[str] | None = None,
        effects: Effects | None = None,
        trust: Trust | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.tree, self.name, self.labels = tree, name, dict(labels or {})
        self.options = options or Options()
        self.live, self.live_paths = live, live_paths
        self.effects, self.trust = effects, trust
        self.clock: Clock = clock or WallClock()
        self.random = Random(f"{self.options.seed}/{name}")  # noqa: S311  a simulation
        self.counters = Counters()
        self.host, self.address = host, ""
        self.fingerprint = ""
        self.clock_offset_s = 0.0
        self.computed: dict[str, Callable[[], Resource]] = {}
        self.staged: dict[str, Resource] = {}
        self.settings: dict[str, str] | None = None
        self.power_turns: dict[str, int] = {}
        self.running: dict[str, Image] = {}
        self.dead = self.dark = False
        self.restarts = 0
        self.socket: Socket | None = None
        self.sockets: Mapping[str, Opens] = {}
        self._overlay: dict[str, Page | None] = {}
        self._timers: set[Timer] = set()
        self.gate, self.tasks, self.events = Gate(self), Tasks(self), Events(self)

    def now(self) -> float:
        """What the device believes the time is."""
        return self.clock.now() + self.clock_offset_s

    def page(self, path: str) -> Page | None:
        """The resource as bytes, as it is now, live values included.

        A live resource's ETag is that of its kept part, a tilde, and that of its values.
        """
        if path in self.computed:
            return Page(msgspec.json.encode(self.computed[path]()))
        found = self._overlay[path] if path in self._overlay else self.tree.page(path)
        if found is not None and self.trust is not None and path in self.trust.paths:
            made = self.trust.shown(self, path, decode(found.body))
            return Page(msgspec.json.encode(made), allow=found.allow)
        if found is None or self.live is None:
            return found
        if self.live_paths is not None and path not in self.live_paths:
            return found
        body = msgspec.json.encode(self.live(path, decode(found.body), self.clock.now()))
        etag = f"{found.etag[:-1]}~{fingerprint(body)[1:]}"
        return Page(body, etag=etag, allow=found.allow)

    def get(self, path: str) -> Resource | None:
        found = self.page(canonical(path))
        return None if found is None else decode(found.body)

    def kept(self, path: str) -> Resource | None:
        """The resource without live values: what a write starts from."""
        found = self._overlay[path] if path in self._overlay else self.tree.page(path)
        return None if found is None else decode(found.body)

    def paths(self) -> Iterator[str]:
        for path in self.tree.paths():
            if path not in self._overlay:
                yield path
        yield from (path for path, page in self._overlay.items() if page is not None)

    def changed(self) -> Iterable[str]:
        """Paths that differ from what the device started with."""
        return self._overlay.keys()

    def put(self, path: str, resource: Resource) -> Resource:
        """Create or replace a resource; its "@odata.etag", if it has one, is renewed."""
        path = canonical(path)
        before = self.kept(path)
        resource.setdefault("@odata.id", path)
        etag = None
        if "@odata.etag" in resource:
            del resource["@odata.etag"]
            etag = fingerprint(msgspec.json.encode(resource))
            resource["@odata.etag"] = etag
        allow = page.allow if (page := self.tree.page(path)) else None
        self._overlay[path] = Page(msgspec.json.encode(resource), etag=etag, allow=allow)
        if self.effects is not None:
            self.effects.written(self, path, before, resource)
        return resource

    def patch(self, path: str, changes: Mapping[str, Any]) -> Resource:
        """Merge `changes` (RFC 7396: None removes) into the resource; creates it if absent."""
        path = canonical(path)
        return self.put(path, merged(self.kept(path) or {}, changes))

    def remove(self, path: str) -> None:
        path = canonical(path)
        before = self.kept(path)
        if before is None:
            return
        self._overlay[path] = None
        if self.effects is not None:
            self.effects.written(self, path, before, None)

    def enlist(self, collection: str, member: str) -> None:
        """Add a member to a collection, which is made if the device has none."""
        found = self.kept(canonical(collection)) or {"Name": "Collection", "Members": []}
        members = [*_members(found), {"@odata.id": member}]
        self.put(collection, {**found, "Members": members, "Members@odata.count": len(members)})

    def delist(self, collection: str, member: str) -> None:
        found = self.kept(canonical(collection))
        if found is not None:
            members = [link for link in _members(found) if link.get("@odata.id") != member]
            self.put(collection, {**found, "Members": members, "Members@odata.count": len(members)})

    def forget(self, path: str) -> None:
        """Back to what the device started with."""
        self._overlay.pop(canonical(path), None)

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back after simulated seconds; `cancel` drops what is pending."""

        def fire() -> None:
            self._timers.discard(timer)
            callback()

        timer = after(self.clock, seconds, fire)
        self._timers.add(timer)

    def emit(self, *records: Resource) -> None:
        """Send an event with these records to everyone who listens."""
        self.events.emit(*records)

    def down(self, how: str = "refuse", seconds: float | None = None) -> None:
        """Vanish from the network: `refuse` connections, or accept them in `silence`; come back
        after `seconds`, or when `up` is called."""
        if self.socket is not None:
            self.socket.down(how)
            if seconds is not None:
                self.later(seconds, self.up)

    def up(self) -> None:
        """Come back; a controller that is `dead` does not, nor one without power (`dark`)."""
        if self.socket is not None and not self.dead and not self.dark:
            self.socket.up()

    def restart(self) -> None:
        """The controller boots: sessions, subscriptions and tasks are gone, and so is it for a
        while. The host's power is not touched."""
        self.restarts += 1
        self._forget_all()
        attentive(self.effects).restarted(self)
        self.down("refuse", self.options.bmc_reset_s)

    def _forget_all(self) -> None:
        self.gate.drop_all()
        self.tasks.drop_all()
        self.events.drop_all()

    def mains(self, on: bool) -> None:
        """All power, the controller's too, is lost or comes back."""
        self.dark = not on
        if not on:
            self._forget_all()
            self.down("silence")
        attentive(self.effects).mains(self, on)
        if on:
            self.restart()

    def cycle_mains(self, off_s: float | None = None) -> None:
        """Pull the plug and put it back."""
        self.mains(False)
        self.later(self.options.power_off_s if off_s is None else off_s, lambda: self.mains(True))

    def cancel(self) -> None:
        attentive(self.effects).ended(self)
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.events.pusher.close()


def merged(target: Resource, changes: Mapping[str, Any]) -> Resource:
    result = dict(target)
    for name, value in changes.items():
        old = result.get(name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(old, dict):
            result[name] = merged(old, value)
        else:
            result[name] = value
    return result


def _members(collection: Resource) -> list[Resource]:
    members = collection.get("Members")
    return [link for link in members if isinstance(link, dict)] if isinstance(members, list) else []
