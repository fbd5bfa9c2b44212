"""Lanes of devices that others own: the owner's lane does it, or nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.app.cluster.door import Door
from iolaus.app.cluster.far import CHUNK_BYTES, FarLanes, Post
from iolaus.app.cluster.letters import (
    Letter,
    Reply,
    error_of,
    opened,
    seal,
    trouble_of,
)
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.drivers.lane import GivenUp, HeldBack, Lanes
from iolaus.drivers.lane.lanes import Converse
from iolaus.drivers.ports import Priority
from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    IolausError,
    OperatorMust,
    Unverified,
    WeErred,
)
from iolaus.model.endpoint import Target
from iolaus.model.shard import shard_of
from iolaus.store.secrets import Secrets
from iolaus.wire.redfish.port import Answer, Credential
from iolaus.wire.redfish.upload import Upload, raw

TARGET = Target(address="https://bmc1", labels={"rack": "r1"})
SHARD = shard_of(TARGET)
LOGIN = Credential(user="root", password="geheim")


class Device:
    """A conversation with one device: it notes what it is told, and does what `fate` says."""

    address, has_session, wants_login, crowded = "https://bmc1", True, False, False

    def __init__(self) -> None:
        self.told: list[tuple[str, str, object]] = []
        self.images: list[bytes] = []
        self.fate: Callable[[], None] = lambda: None

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
        self.fate()
        self.told.append((method, uri, dict(body) if body else None))
        return _answer(uri)

    async def push(self, uri: str, upload: Upload, *, timeout_s: float) -> Answer:
        pour = upload.open()
        self.images.append(b"".join(iter(lambda: pour.read(100_000), b"")))
        pour.close()
        return _answer(uri)

    def log_in_anew(self) -> None:
        self.told.append(("anew", "", None))

    async def fetch(self, uri: str, *, timeout_s: float, max_bytes: int) -> bytes:
        return b"dump" * 1000

    async def login(self) -> None: ...

    async def logout(self) -> None: ...

    async def reap(self) -> int:
        return 0

    async def stream(
        self, uri: str, *, last_event_id: str | None = None, timeout_s: float = 90.0
    ) -> AsyncIterator[Any]:
        yield None


def _answer(uri: str) -> Answer:
    return Answer(
        uri=uri, status=200, body={"said": uri}, headers={}, at=1.0, elapsed_s=0.1, etag="e"
    )


class Jumping(WallClock):
    """One that somebody sets."""

    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s


class Hall:
    """A core and the owner of a device."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.memory, self.device = WallClock(), Memory(), Device()
        self.owners_clock = Jumping()
        self.seals = Secrets(folder / "secrets")
        self.owner: tuple[str, int] | None = ("edge1", 5)
        self.epoch: int | None = 5
        self.term = 3
        self.door = Door(
            trunk=LocalTrunk(self.memory, self.clock),
            seals=self.seals,
            lanes=Lanes(self._converse(), self.owners_clock),
            clock=self.owners_clock,
            epoch_of=lambda _: self.epoch,
            credential_of=lambda _: LOGIN,
            folder=folder,
        )
        self.trunk = LocalTrunk(self.memory, self.clock)
        post = Post(
            trunk=self.trunk,
            seals=lambda: self.seals,
            clock=self.clock,
            owner_of=lambda _: self.owner,
            term=lambda: self.term,
        )
        self.lanes = FarLanes(post)
        self.lane = self.lanes.lane(TARGET, None)

    def _converse(self) -> Converse:
        return lambda target, credential: (self.device, None)


@asynccontextmanager
async def hall_in(folder: Path) -> AsyncIterator[Hall]:
    hall = Hall(folder)
    await hall.door.open(SHARD, 5)
    try:
        yield hall
    finally:
        await hall.door.close_all()


async def test_a_far_lane_reads_and_writes_as_the_owners_does(tmp_path: Path) -> None:
    async with hall_in(tmp_path) as hall:
        read = await hall.lane.at(Priority.CONTROL).get("/redfish/v1/Systems/1")
        assert (read.status, read.body, read.etag) == (200, {"said": "/redfish/v1/Systems/1"}, "e")
        wrote = await hall.lane.writer(Priority.CONTROL).write(
            "PATCH", "/redfish/v1/Systems/1", {"Boot": {"a": [1, None, "ä"]}}, if_match="e"
        )
        assert wrote.status == 200
        words = {"priority": Priority.LIFECYCLE, "deadline_s": 5.0, "max_bytes": 10_000}
        assert await hall.lane.fetch("/dump", **words) == b"dump" * 1000  # type: ignore[arg-type]
        assert hall.device.told == [
            ("GET", "/redfish/v1/Systems/1", None),
            ("PATCH", "/redfish/v1/Systems/1", {"Boot": {"a": [1, None, "ä"]}}),
        ]


async def test_an_image_arrives_whole(tmp_path: Path) -> None:
    async with hall_in(tmp_path) as hall:
        image = tmp_path / "bmc.fw"
        image.write_bytes(bytes(range(256)) * (CHUNK_BYTES // 100))
        await hall.lane.writer(Priority.LIFECYCLE).push("/redfish/v1/push", raw(image))
        assert hall.device.images == [image.read_bytes()]
        assert not list(tmp_path.glob("image-*"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda hall: setattr(hall, "owner", None), "NoOwner"),
        (lambda hall: setattr(hall, "owner", ("edge1", 4)), "NoOwner"),
        (lambda hall: setattr(hall, "epoch", None), "Fenced"),
        (lambda hall: setattr(hall, "epoch", 6), "Fenced"),
        (lambda hall: hall.door.led(4), "Fenced"),
    ],
)
async def test_nothing_is_sent_by_who_may_not(
    tmp_path: Path, change: Callable[[Hall], None], code: str
) -> None:
    async with hall_in(tmp_path) as hall:
        change(hall)
        with pytest.raises(DeviceRefused) as caught:
            await hall.lane.writer(Priority.CONTROL).write("POST", "/reset", {})
        assert (caught.value.code, caught.value.status) == (code, 503)
        assert hall.device.told == []


async def test_an_owner_that_was_frozen_in_its_queue_does_not_send(tmp_path: Path) -> None:
    """It had taken the letter; when its turn comes its lease is over."""
    async with hall_in(tmp_path) as hall:
        lane = hall.door._lanes.lane(TARGET, LOGIN)
        tickets = [lane._gate.queue.ask(Priority.SAFETY) for _ in range(2)]
        for ticket in tickets:
            await lane._gate.turn(ticket, None)
        sending = asyncio.create_task(
            hall.lane.writer(Priority.CONTROL, deadline_s=60).write("POST", "/reset", {})
        )
        for _ in range(5):
            await asyncio.sleep(0)
        hall.epoch = None
        for ticket in tickets:
            lane._gate.give_back(ticket, cut_off=False)
        with pytest.raises(DeviceRefused) as caught:
            await sending
        assert caught.value.code == "Fenced"
        assert hall.device.told == []


async def test_a_letter_that_comes_twice_has_one_effect_and_both_hear_of_it(
    tmp_path: Path,
) -> None:
    async with hall_in(tmp_path) as hall:
        letter = Letter(
            epoch=5,
            term=3,
            until=hall.clock.now() + 60,
            do="write",
            target=TARGET,
            id="one",
            method="POST",
            uri="/reset",
        )
        sealed = seal(hall.seals, letter)
        answers = await asyncio.gather(*(hall.door.answer(sealed) for _ in range(3)))
        assert opened(hall.seals, answers[0], Reply).trouble is None
        assert len(set(answers)) == 1
        assert await hall.door.answer(sealed) == answers[0]
        assert hall.device.told == [("POST", "/reset", None)]
        other = seal(hall.seals, msgspec.structs.replace(letter, id="two"))
        await hall.door.answer(other)
        assert len(hall.device.told) == 2


@pytest.mark.parametrize("ahead_s", [-3600.0, 3600.0])
async def test_an_owner_whose_clock_is_set_obeys_what_is_in_time_and_nothing_late(
    tmp_path: Path, ahead_s: float
) -> None:
    async with hall_in(tmp_path) as hall:
        hall.door.led(3, hall.clock.now())
        hall.owners_clock.ahead_s = ahead_s
        wrote = await hall.lane.writer(Priority.CONTROL).write("POST", "/reset", {})
        assert wrote.status == 200
        late = Letter(
            epoch=5, term=3, until=hall.clock.now() - 1, do="write", target=TARGET, id="late"
        )
        reply = opened(hall.seals, await hall.door.answer(seal(hall.seals, late)), Reply)
        assert reply.trouble is not None
        assert reply.trouble.code == "Fenced"
        assert len(hall.device.told) == 1


async def test_an_answer_that_does_not_come_is_silence(tmp_path: Path) -> None:
    async with hall_in(tmp_path) as hall:
        hall.trunk.reached = False
        with pytest.raises(DeviceSilent) as caught:
            await hall.lane.writer(Priority.CONTROL).write("POST", "/reset", {})
        assert caught.value.code == "OwnerSilent"


@pytest.mark.parametrize(
    "error",
    [
        DeviceSilent("s", operation="o", subject="d", code="c", next_step="n"),
        GivenUp("g", operation="o", subject="d"),
        DeviceRefused("r", operation="o", subject="d", status=409, retry_after_s=2.5),
        HeldBack("h", operation="o", subject="d", status=401, retry_after_s=60.0),
        DeviceLied("l", operation="o", subject="d"),
        OperatorMust("m", operation="o", subject="d"),
        Unverified("u", operation="o", subject="d"),
        WeErred("e", operation="o", subject="d"),
    ],
)
async def test_an_error_is_raised_as_it_was_there(tmp_path: Path, error: IolausError) -> None:
    again = error_of(trouble_of(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert getattr(again, "status", None) == getattr(error, "status", None)
    assert getattr(again, "retry_after_s", None) == getattr(error, "retry_after_s", None)


async def test_a_bug_at_the_owner_is_one_answer(tmp_path: Path) -> None:
    async with hall_in(tmp_path) as hall:

        def err() -> None:
            raise ZeroDivisionError

        hall.device.fate = err
        with pytest.raises(WeErred):
            await hall.lane.writer(Priority.CONTROL).write("POST", "/reset", {})


async def test_what_was_sealed_by_nobody_is_not_obeyed(tmp_path: Path) -> None:
    async with hall_in(tmp_path) as hall:
        (tmp_path / "other").mkdir()
        letter = Letter(epoch=5, term=3, until=9e9, do="write", target=TARGET, method="POST")
        sealed = seal(Secrets(tmp_path / "other" / "secrets"), letter)
        assert b"bmc1" not in sealed
        answer = await hall.trunk.ask(f"lane.{SHARD}.5", sealed, timeout_s=60)
        assert b"Unverified" not in answer
        assert hall.device.told == []


@settings(max_examples=60)
@given(body=st.binary(max_size=200), sealed=st.booleans())
def test_any_bytes_are_a_letter_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, sealed: bool
) -> None:
    seals = SEALS.setdefault("one", Secrets(tmp_path_factory.mktemp("seals") / "secrets"))
    raw_bytes = seals.seal(body, label=b"iolaus-letter-1\n") if sealed else body
    with pytest.raises((WeErred, Unverified)):
        opened(seals, raw_bytes, Letter)


SEALS: dict[str, Secrets] = {}
