"""Accounts of the controller: read, made, given another password, taken away.

Nothing here logs in, so nothing here can fail a login: whether a new password works is tried by
whoever holds the lane, by its own rules. A password is checked against the service's bounds before
it is sent, because some controllers cut what is too long and lock everybody out. What a device
says to a refused password may repeat it; so its words are dropped whenever any part of the secret
is among them.

Controllers come in two kinds: those where an account is made by POST, and those with a fixed row
of slots, of which a free one is filled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from iolaus.drivers.ports import Account, Payload, Reads, Receipt, Writes
from iolaus.drivers.redfish._text import clean, maybe
from iolaus.drivers.redfish.harvest import links_in, normal, order
from iolaus.drivers.redfish.write.exchange import not_offered, patch, receipt_of, service_of
from iolaus.kernel.errors import FAILURES, DeviceLied, DeviceRefused, DeviceSilent, OperatorMust
from iolaus.model.credential import UNENDING_WINDOW_S, AccountPolicy
from iolaus.wire.redfish.address import path_of
from iolaus.wire.redfish.errors import PropertiesRefused
from iolaus.wire.redfish.port import Answer

WINDOW: Final = 6
"""So many letters of a secret in a row give it away."""
NO_POST: Final = frozenset({405, 501})
LEAST_WINDOW_S: Final = 60.0
RESERVED: Final = "1"
"""The slot that controllers with slots keep for themselves."""
Send = Callable[[], Awaitable[Receipt]]


async def accounts(device: Reads) -> tuple[Account, ...]:
    """Every account with a name. Raises where one of them cannot be read."""
    _, place = await _place(device)
    found = await _members(device, place)
    return tuple(_account(uri, payload) for uri, payload in found if clean(payload.get("UserName")))


async def account_policy(device: Reads) -> AccountPolicy:
    """What the service says of lock-out and lengths. A duration of 0 locks nobody (DSP0268), and
    a counter that no time resets counts for a day here."""
    service = (await service_of(device, "AccountService")).body
    threshold, duration_s = (
        _count(service.get("AccountLockoutThreshold")),
        _count(service.get("AccountLockoutDuration")),
    )
    resets_s = _count(service.get("AccountLockoutCounterResetAfter"))
    window_s = max((float(s) for s in (duration_s, resets_s) if s), default=None)
    if service.get("AccountLockoutCounterResetEnabled") is False:
        window_s = UNENDING_WINDOW_S
    return AccountPolicy(
        threshold=0 if duration_s == 0 and threshold is not None else threshold,
        window_s=None if window_s is None else max(window_s, LEAST_WINDOW_S),
        shortest=_bound(service.get("MinPasswordLength")),
        longest=_bound(service.get("MaxPasswordLength")),
    )


async def set_password(device: Writes, account: str, new: str) -> Receipt:
    service, _ = await _place(device)
    _check_length(device, service, new)
    return await _hushed(new, lambda: patch(device, account, {"Password": new}))


async def create_account(device: Writes, user: str, password: str, *, role: str) -> Receipt:
    service, place = await _place(device)
    _check_length(device, service, password)
    body = {"UserName": user, "Password": password, "RoleId": role, "Enabled": True}

    async def post() -> Receipt:
        answer = await device.write("POST", place, body)
        return receipt_of("POST", _made(answer) or place, answer)

    try:
        return await _hushed(password, post)
    except DeviceRefused as refused:
        if refused.status not in NO_POST:
            raise
    slot = await _free_slot(device, place)
    return await _hushed(password, lambda: patch(device, slot, body))


async def delete_account(device: Writes, account: str) -> Receipt:
    try:
        return receipt_of("DELETE", account, await device.write("DELETE", account))
    except DeviceRefused as refused:
        if refused.status not in NO_POST:
            raise
    return await patch(device, account, {"Enabled": False, "UserName": ""})


async def _place(device: Reads) -> tuple[Answer, str]:
    """The AccountService and the URI of its accounts."""
    service = await service_of(device, "AccountService")
    place = next(links_in(service.body.get("Accounts")), "")
    if not place:
        raise not_offered(device, service.uri, "accounts", method="GET")
    return service, place


async def _members(device: Reads, place: str) -> list[tuple[str, Payload]]:
    gaps: list[tuple[str, str]] = []
    found = await device.members(place, on_gap=lambda uri, why: gaps.append((uri, why)))
    for uri, why in gaps:
        raise DeviceLied(
            f"an account cannot be read: {why}",
            operation="GET",
            subject=f"{device.address}{uri}",
            code="AccountUnread",
            next_step="look again; the list of accounts is not whole",
        )
    return sorted(found, key=lambda each: order(each[0]))


def _account(uri: str, payload: Mapping[str, Any]) -> Account:
    return Account(
        uri=uri,
        user=clean(payload.get("UserName"), 128),
        role=maybe(payload.get("RoleId"), 128),
        enabled=_flag(payload.get("Enabled")),
        locked=_flag(payload.get("Locked")),
        must_change=_flag(payload.get("PasswordChangeRequired")),
    )


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _made(answer: Answer) -> str:
    """The account that a POST made."""
    own = normal(answer.body.get("@odata.id"))
    return own or normal(path_of(answer.headers.get("location", "")))


async def _free_slot(device: Reads, place: str) -> str:
    """The last slot without a name: the first ones are often the maker's own."""
    free = [
        uri
        for uri, payload in await _members(device, place)
        if payload.get("UserName") == "" and payload.get("Id") != RESERVED
    ]
    if free:
        return free[-1]
    raise not_offered(device, place, "free slot for an account")


def _check_length(device: Reads, service: Answer, password: str) -> None:
    least, most = (
        _bound(service.body.get(name)) for name in ("MinPasswordLength", "MaxPasswordLength")
    )
    short, long = least is not None and len(password) < least, most and len(password) > most
    if not short and not long:
        return
    raise OperatorMust(
        f"the password has {len(password)} letters; the device takes {least or 0}"
        + (f" to {most}" if most else " and more"),
        operation="set password",
        subject=device.address,
        code="PasswordLength",
        next_step="make one of that length",
    )


def _count(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return int(value) if whole and isinstance(value, int) else None


def _bound(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return int(value) if whole and isinstance(value, int) else None


# --- keeping a secret -----------------------------------------------------------------------------


async def _hushed(secret: str, send: Send) -> Receipt:
    """The receipt or the error, without the device's words where they give the secret away."""
    try:
        receipt = await send()
    except FAILURES as error:
        hush(error, secret)
        raise
    if gives_away(receipt.message, secret):
        return msgspec.structs.replace(receipt, message="")
    return receipt


def hush(error: DeviceRefused | DeviceLied | DeviceSilent, secret: str) -> None:
    """Take the secret out of an error."""
    if isinstance(error, PropertiesRefused):
        error.properties = {
            name: "" if gives_away(why, secret) else why
            for name, why in error.properties.items()
            if not gives_away(name, secret)
        }
    if gives_away(error.message, secret):
        status = f"HTTP {error.status} " if isinstance(error, DeviceRefused) else ""
        error.message = f"{status}{error.code}: what it said repeats the password"
        error.args = (error.message,)


def gives_away(text: str, secret: str) -> bool:
    """Whether a text holds the secret or a telling part of it."""
    plain, hidden = "".join(text.split()).lower(), "".join(secret.split()).lower()
    if not hidden:
        return False
    size = min(WINDOW, len(hidden))
    return any(hidden[at : at + size] in plain for at in range(len(hidden) - size + 1))
