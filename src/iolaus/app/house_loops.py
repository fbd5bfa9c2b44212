"""What each of a house's loops does with a key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING

from iolaus.observe.beside import Beside
from iolaus.observe.collect import Job
from iolaus.observe.sentry import Sentry
from iolaus.observe.subscribe import Subscriber
from iolaus.observe.surface import Surveyor

if TYPE_CHECKING:
    from iolaus.app.house import House

Serve = Callable[[Hashable], Awaitable[float | None]]


def serve_of(house: House, job: Job) -> Serve:
    match job:
        case Job.EVENTS:
            return house.follower.reconcile
        case Job.SUBSCRIPTION:
            return _subscriber(house)
        case Job.BESIDE:
            facts, clock = house.state.facts, house.clock
            return Beside(picture=facts, open_bus=house.buses.open, clock=clock).reconcile
        case Job.SENTRY:
            return _sentry(house)
        case Job.SURVEY:
            return _surveyor(house)
        case Job.ATTEST:
            return house.attesting.attestor.reconcile
    return house.collector.reconcile


def _sentry(house: House) -> Serve:
    return Sentry(
        picture=house.state.facts,
        open_device=house.devices.open,
        guarded=lambda address: house.edges.edges.guards(address),
        is_told=lambda address: address in house.follower.live,
        tell=lambda address, found: house.edges.edges.sensed(address, found),
        wake=house.wake,
        rules=house.options.sentry,
    ).reconcile


def _surveyor(house: House) -> Serve:
    return Surveyor(
        facts=house.state.facts,
        kept=house.state.surfaces,
        clock=house.clock,
        wake=house.wake,
        look=house.sight.survey,
    ).reconcile


def _subscriber(house: House) -> Serve:
    if house.receiver is None:
        return _never
    return Subscriber(
        picture=house.state.facts,
        open_device=house.devices.open,
        receiver=house.receiver,
        clock=house.clock,
        wake=house.wake,
        rules=house.options.subscriptions,
    ).reconcile


async def _never(_: Hashable) -> float | None:
    return None
