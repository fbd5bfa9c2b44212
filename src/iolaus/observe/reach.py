"""What trying to reach an endpoint says about it: one pure table from outcome to status.

A silent device, a device that refuses us, a device that speaks something else and a device that
is merely busy are four different things for an operator. A refusal that will pass (busy, no free
session) leaves the endpoint reachable: what it told us before simply ages.
"""

from __future__ import annotations

from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, IolausError, Unverified
from iolaus.model.endpoint import EndpointStatus, Event, Reach, protocol_of


def judge_reach(error: IolausError | None, before: Reach | None) -> Reach:
    """The reach after an attempt that ended in `error` (None: it answered us)."""
    match error:
        case None:
            return Reach.REACHABLE
        case DeviceSilent():
            return Reach.UNREACHABLE
        case Unverified():
            return Reach.UNAUTHENTICATED
        case DeviceRefused(status=401 | 403):
            return Reach.UNAUTHENTICATED
        case DeviceRefused(status=404):
            return before or Reach.UNSUPPORTED
        case DeviceLied():
            return Reach.UNREACHABLE if before is Reach.REACHABLE else Reach.UNSUPPORTED
        case DeviceRefused():
            return before or Reach.REACHABLE
    return before or Reach.UNREACHABLE


def status_after(
    *,
    address: str,
    error: IolausError | None,
    before: EndpointStatus | None,
    now: float,
    driver: str | None = None,
    latency_ms: float | None = None,
    in_flight: int = 0,
    sessions: int = 0,
) -> EndpointStatus:
    """The endpoint's status as of `now`; `since` moves only when the reach does."""
    reach = judge_reach(error, before.reach if before else None)
    return EndpointStatus(
        address=address,
        reach=reach,
        at=now,
        since=before.since if before and before.reach is reach else now,
        protocol=protocol_of(address),
        driver=driver or (before.driver if before else None),
        latency_ms=latency_ms,
        in_flight=in_flight,
        sessions=sessions,
        last_error=error.message if error else "",
        next_step=error.next_step if error else "",
        certificate=before.certificate if before else None,
        answered_at=now if error is None else (before.answered_at if before else None),
    )


def event_of(before: EndpointStatus | None, after: EndpointStatus) -> Event | None:
    """The event that a change of reach is; None when nothing changed or it was found well."""
    if before and before.reach is after.reach:
        return None
    if before is None and after.reach is Reach.REACHABLE:
        return None
    back = after.reach is Reach.REACHABLE
    return Event(
        at=after.at,
        kind="EndpointBack" if back else "EndpointLost",
        severity="OK" if back else "Critical",
        endpoint=after.address,
        message="answers again" if back else f"{after.reach.value}: {after.last_error}",
        before=before.reach.value if before else None,
        after=after.reach.value,
    )
