"""Event channels: an event is written once, a gap is filled from the log, a lost subscription is
made again. On a clock that jumps, with devices that behave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

from tests.observe.fakes import FakePicture

from iolaus.drivers.ports import DeviceEvent, Payload, Priority, Reads
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, IolausError
from iolaus.model.asset import Asset, AssetKind, Capability, Identity, Report
from iolaus.model.endpoint import Mode, Target
from iolaus.model.fact import Unknown
from iolaus.observe.collect import Job, Key
from iolaus.observe.events import Follower, Intake, StreamRules
from iolaus.observe.subscribe import CONTEXT, MAX_BODY, Receiver, Subscriber, SubscriptionRules
from iolaus.wire.redfish.port import Answer

ADDRESS = "https://10.0.0.1"
SUBSCRIPTIONS = "/redfish/v1/EventService/Subscriptions"
TEST_EVENT = "/redfish/v1/EventService/Actions/EventService.SubmitTestEvent"


def report(*capabilities: str) -> Report:
    unknown = Unknown("not read", 0.0)
    system = Asset(
        key="Systems/1",
        kind=AssetKind.NODE,
        resources=("/redfish/v1/Systems/1",),
        identity=Identity(),
        power_state=unknown,
        health=unknown,
        observed_at=0.0,
    )
    return Report(
        endpoint=ADDRESS,
        driver="fake",
        redfish_version=None,
        observed_at=0.0,
        assets=(system,),
        capabilities=tuple(
            Capability(name=name, asset="Systems/1", uri="/redfish/v1") for name in capabilities
        ),
    )


class House:
    def __init__(self, *capabilities: str, mode: Mode = Mode.READ_ONLY) -> None:
        self.clock, self.picture = JumpClock(), FakePicture()
        self.picture.targets[ADDRESS] = Target(address=ADDRESS, mode=mode)
        self.picture.reports[ADDRESS] = report(*capabilities)
        self.woken: list[Key] = []
        self.intake = Intake(picture=self.picture, clock=self.clock, wake=self.wake)

    def wake(self, key: Key, after_s: float) -> None:
        self.woken.append(key)


def told(number: int, origin: str | None = None) -> DeviceEvent:
    return DeviceEvent(
        dedup=f"d{number}", message="m", severity="OK", origin=origin, stream_id=str(number)
    )


class StreamDevice:
    """Each stream gives the next batch and ends, or raises what the batch is."""

    def __init__(self, *streams: list[DeviceEvent] | IolausError) -> None:
        self.streams, self.resumed = list(streams), list[str | None]()

    async def events(self, last_event_id: str | None) -> AsyncGenerator[DeviceEvent, None]:
        self.resumed.append(last_event_id)
        batch = self.streams.pop(0)
        if isinstance(batch, IolausError):
            raise batch
        for event in batch:
            yield event


def follower(house: House, device: StreamDevice) -> Follower:
    return Follower(
        picture=house.picture,
        open_device=lambda target: device,
        intake=house.intake,
        clock=house.clock,
        wake=house.wake,
        rules=StreamRules(retry_s=2, retry_max_s=8, refused_s=900),
    )


KEY = Key(ADDRESS, Job.EVENTS)


async def test_a_stream_resumes_where_it_broke_and_repeats_are_one_event() -> None:
    house = House("events.sse")
    device = StreamDevice([told(1), told(2)], [told(2), told(3)])
    following = follower(house, device)
    assert await following.reconcile(KEY) == 2
    assert await following.reconcile(KEY) == 4
    assert device.resumed == [None, "2"]
    assert [event.dedup for event in house.picture.events] == ["d1", "d2", "d3"]
    assert house.woken.count(Key(ADDRESS, Job.LOGS)) == 2


async def test_a_stream_that_keeps_breaking_is_tried_ever_later_and_polling_goes_on() -> None:
    house = House("events.sse")
    silent = DeviceSilent("cut", operation="stream", subject=ADDRESS)
    following = follower(house, StreamDevice(silent, silent, silent, silent))
    assert [await following.reconcile(KEY) for _ in range(4)] == [2, 4, 8, 8]
    assert house.woken.count(Key(ADDRESS, Job.HOT)) == 4


async def test_a_refused_stream_is_left_alone_for_long() -> None:
    house = House("events.sse")
    refused = DeviceRefused("no", operation="stream", subject=ADDRESS, status=405)
    assert await follower(house, StreamDevice(refused)).reconcile(KEY) == 900


class EndlessDevice:
    """A stream that says nothing and does not end."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def events(self, last_event_id: str | None) -> AsyncGenerator[DeviceEvent, None]:
        self.opened.set()
        await asyncio.Event().wait()
        yield told(1)


async def test_streams_beyond_the_most_wait_until_there_is_room() -> None:
    house, device = House("events.sse"), EndlessDevice()
    other = "https://10.0.0.2"
    house.picture.targets[other] = Target(address=other)
    house.picture.reports[other] = report("events.sse")
    following = Follower(
        picture=house.picture,
        open_device=lambda target: device,
        intake=house.intake,
        clock=house.clock,
        wake=house.wake,
        rules=StreamRules(most=1, crowded_s=300),
    )
    first = asyncio.create_task(following.reconcile(KEY))
    await device.opened.wait()
    assert await following.reconcile(Key(other, Job.EVENTS)) == 300
    device.opened.clear()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(following.reconcile(Key(other, Job.EVENTS)))
    await device.opened.wait()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_where_no_stream_is_offered_none_is_opened() -> None:
    house, device = House("logs"), StreamDevice()
    assert await follower(house, device).reconcile(KEY) is None
    del house.picture.targets[ADDRESS]
    assert await follower(house, device).reconcile(KEY) is None


async def test_an_event_is_laid_at_the_asset_that_it_comes_from() -> None:
    house = House("events.sse")
    for number, origin in enumerate(
        ("/redfish/v1/Systems/1/Memory/3", "/redfish/v1/Systems/10", None)
    ):
        house.intake.take(ADDRESS, told(number, origin))
    assert [event.asset for event in house.picture.events] == ["Systems/1", None, None]


class PushDevice:
    """An event service with a table of subscriptions that can forget, refuse or not deliver."""

    def __init__(self, receiver: Receiver, clock: JumpClock) -> None:
        self.receiver, self.clock, self.address = receiver, clock, ADDRESS
        self.table: dict[str, dict[str, Any]] = {}
        self.limit, self.delivers, self.made = 20, True, 0

    def at(self, priority: Priority) -> Reads:
        return self

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        body = {
            "EventService": {"@odata.id": "/redfish/v1/EventService"},
            "Subscriptions": {"@odata.id": SUBSCRIPTIONS},
            "EventFormatTypes": ["Event"],
            "Actions": {"#EventService.SubmitTestEvent": {"target": TEST_EVENT}},
        }
        return Answer(uri=uri, status=200, body=body, headers={}, at=0.0, elapsed_s=0.0)

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]:
        return list(self.table.items())

    async def write(self, method: str, uri: str, body: Mapping[str, Any] | None) -> Answer:
        if method == "DELETE":
            self.table.pop(uri, None)
        elif uri == SUBSCRIPTIONS:
            if len(self.table) >= self.limit:
                raise DeviceRefused("limit reached", operation="POST", subject=uri, status=403)
            self.made += 1
            self.table[f"{uri}/{self.made}"] = dict(body or {})
        elif self.delivers:
            for entry in self.table.values():
                await push(self.receiver, entry["Destination"], json.dumps(body).encode())
        return Answer(uri=uri, status=204, body={}, headers={}, at=0.0, elapsed_s=0.0)


async def push(receiver: Receiver, url: str, body: bytes, method: str = "POST") -> int:
    """Deliver a body as an ASGI server would; the status of the answer."""
    chunks = [body[:7], body[7:]]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path = "/" + url.partition("://")[2].partition("/")[2]
    await receiver({"type": "http", "method": method, "path": path}, receive, send)
    return int(sent[0]["status"])


def subscriber(house: House) -> tuple[Subscriber, PushDevice, Receiver]:
    receiver = Receiver(url="https://127.0.0.1:9/redfish-events", secret=b"s", clock=house.clock)
    receiver.intake = house.intake
    device = PushDevice(receiver, house.clock)
    made = Subscriber(
        picture=house.picture,
        open_device=lambda target: device,
        receiver=receiver,
        clock=house.clock,
        wake=house.wake,
        rules=SubscriptionRules(audit_s=300, refused_s=1800, test_s=30, strikes=2),
    )
    return made, device, receiver


SKEY = Key(ADDRESS, Job.SUBSCRIPTION)


async def test_a_subscription_is_made_once_proved_and_made_again_when_it_vanishes() -> None:
    house = House("events.subscribe", mode=Mode.MANAGED)
    subscribing, device, _ = subscriber(house)
    assert await subscribing.reconcile(SKEY) == 300
    assert await subscribing.reconcile(SKEY) == 300
    assert device.made == 1
    device.table.clear()
    assert await subscribing.reconcile(SKEY) == 300
    assert device.made == 2
    assert house.woken.count(Key(ADDRESS, Job.LOGS)) == 2


async def test_leftovers_of_ours_go_and_those_of_others_stay() -> None:
    house = House("events.subscribe", mode=Mode.MANAGED)
    subscribing, device, _ = subscriber(house)
    device.table = {
        "/old": {"Destination": "https://gone/x", "Context": CONTEXT},
        "/other": {"Destination": "https://127.0.0.1:9/else", "Context": "someone"},
    }
    await subscribing.reconcile(SKEY)
    assert "/old" not in device.table
    assert "/other" in device.table


async def test_a_subscription_that_delivers_nothing_is_made_anew() -> None:
    house = House("events.subscribe", mode=Mode.MANAGED)
    subscribing, device, _ = subscriber(house)
    device.delivers = False
    assert await subscribing.reconcile(SKEY) == 30
    assert await subscribing.reconcile(SKEY) == 30
    assert device.table == {}
    device.delivers = True
    assert await subscribing.reconcile(SKEY) == 300
    assert device.made == 2
    assert [event.kind for event in house.picture.events[:1]] == ["SubscriptionSilent"]


async def test_a_full_table_is_said_and_polling_goes_on() -> None:
    house = House("events.subscribe", mode=Mode.MANAGED)
    subscribing, device, _ = subscriber(house)
    device.limit = 0
    assert await subscribing.reconcile(SKEY) == 1800
    assert [event.kind for event in house.picture.events] == ["SubscriptionRefused"]


async def test_nothing_is_written_to_a_read_only_endpoint_or_beside_a_stream() -> None:
    for house in (
        House("events.subscribe"),
        House("events.subscribe", "events.sse", mode=Mode.MANAGED),
        House("logs", mode=Mode.MANAGED),
    ):
        subscribing, device, _ = subscriber(house)
        assert await subscribing.reconcile(SKEY) is None
        assert device.made == 0


async def test_the_receiver_hears_known_paths_only_and_survives_any_body() -> None:
    house = House("events.subscribe", mode=Mode.MANAGED)
    _, _, receiver = subscriber(house)
    mine = receiver.destination(ADDRESS)
    event = {"Events": [{"MessageId": "A.1.0.B", "Message": "hot", "MemberId": "0"}]}
    assert await push(receiver, mine, json.dumps(event).encode()) == 204
    assert await push(receiver, mine, b"\xff not json") == 204
    assert await push(receiver, mine, b"x" * (MAX_BODY + 1)) == 413
    assert await push(receiver, "https://x/" + "0" * 40, b"{}") == 404
    assert await push(receiver, mine, b"{}", method="GET") == 404
    assert [event.message for event in house.picture.events] == ["hot"]
    await asyncio.sleep(0)
