"""Sessions that run out, events that get lost, accounts that lock: behaviours 5, 10 and 11."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from iolaus.sim.catalogue.entry import Argument, Entry, Given
from iolaus.sim.catalogue.rules import armed, changing, once, preset
from iolaus.sim.device import Device

SESSIONS: Final = "sessions of GET /devices/NAME are those that are really open."
NOWHERE: Final = "https://127.0.0.1:9/iolaus-nobody"
Undo = Callable[[], None]


def entry(words: str, name: str, title: str, what: str, **more: Any) -> Entry:
    return Entry(
        name=name, title=title, what=what, room="access", sources=tuple(words.split("; ")), **more
    )


def _full(device: Device, given: Given) -> Undo:
    """Somebody else holds every session that there is."""
    user = next(iter(device.gate.accounts))
    old, held = device.gate.limit, []
    device.gate.limit = int(given["count"])
    account = device.gate.accounts[user]
    for _ in range(int(given["count"]) - len(device.gate.sessions())):
        made = device.gate.login({"UserName": user, "Password": account.password})
        held.append(str((made.headers or {}).get("Location", "")))

    def undo() -> None:
        device.gate.limit = old
        for path in held:
            device.gate.logout(path)

    return undo


def _lies(word: str) -> Callable[[Device, Given], Undo]:
    def change(device: Device, given: Given) -> Undo:
        del given
        device.events.lies |= {word}

        def undo() -> None:
            device.events.lies -= {word}

        return undo

    return change


def _crowd(device: Device, given: Given) -> Undo:
    """The subscriptions' table is full of others'."""
    old, made = device.options, list[str]()
    device.options = replace(old, subscription_limit=int(given["limit"]))
    body = {"Destination": NOWHERE, "DeliveryRetryPolicy": "RetryForever", "Context": "somebody"}
    for _ in range(int(given["limit"])):
        outcome = device.events.subscribe(dict(body))
        if outcome.status != 201:
            break
        made.append(str((outcome.headers or {}).get("Location", "")))

    def undo() -> None:
        limit = old.subscription_limit
        device.options = replace(device.options, subscription_limit=limit)
        for path in made:
            device.events.unsubscribe(path)

    return undo


def _undelivered(device: Device, given: Given) -> Undo:
    del given
    device.events.pusher.lost = True

    def undo() -> None:
        device.events.pusher.lost = False

    return undo


def _locks(device: Device, given: Given) -> Undo:
    old = device.options
    device.options = replace(
        old, lockout_after=int(given["tries"]), lockout_s=float(given["seconds"])
    )

    def undo() -> None:
        after, seconds = old.lockout_after, old.lockout_s
        device.options = replace(device.options, lockout_after=after, lockout_s=seconds)
        for account in device.gate.accounts.values():
            account.failures, account.locked_until = 0, 0.0

    return undo


def _logins(given: Given) -> list[dict[str, Any]]:
    select = {"method": ["POST"], "path": "*/Sessions"}
    rule = {"effect": "status", "status": 503, "times": int(given["times"])}
    message = "ServiceTemporarilyUnavailable"
    return [{**rule, "message": message, "retry_after_s": 5, "select": select}]


def _vanish(given: Given) -> list[dict[str, Any]]:
    return [{"effect": "lie", "lie": "subscriptions_vanish", "count": int(given["events"])}]


FAULTS: Final = (
    entry(
        "5: sessions run out", "sessions-run-out", "two sessions, and none is given back",
        "The controller has two session slots and does not free a slot when its session is "
        "deleted.",
        strike=preset("sessions-run-out"),
        seen="The third POST to Sessions answers 503, even after a DELETE.", oracle=SESSIONS,
    ),
    entry(
        "5: 8-16 slots", "sessions-full", "others hold every session",
        "Every slot is held by somebody else, who does not give it back.",
        strike=changing(_full),
        arguments=(Argument(name="count", what="session slots", usual=8.0),),
        seen="POST to Sessions answers 503; Basic works.", oracle=SESSIONS,
    ),
    entry(
        "5: leak on error paths", "sessions-leak", "deleted sessions are kept",
        "DELETE of a session answers 204, and the session stays open and holds its slot.",
        strike=armed(lambda _: [{"effect": "lie", "lie": "sessions_leak"}]),
        seen="After DELETE the session's token still works.", oracle=SESSIONS,
    ),
    entry(
        "5: 503", "logins-503", "every login answers 503",
        "Logging in answers 503 with Retry-After; Basic works.",
        strike=armed(_logins),
        arguments=(Argument(name="times", what="so often on each device (0: always)", usual=0.0),),
        seen="POST to Sessions answers 503.", oracle=SESSIONS,
    ),
    entry(
        "10: event subscriptions vanish", "events-get-lost", "all of behaviour 10 at once",
        "After three events subscriptions and streams are gone; events come twice, cut, or dated a "
        "day back.",
        strike=preset("events-get-lost"), seen="As each of them alone.",
        oracle="streams of GET /devices/NAME.",
    ),
    entry(
        "10: event subscriptions vanish", "subscriptions-vanish", "subscriptions vanish",
        "After so many events every subscription and stream is gone, without a word.",
        strike=armed(_vanish),
        arguments=(Argument(name="events", what="so many later", usual=1.0),),
        seen="EventService/Subscriptions is empty; streams end.",
        oracle="streams of GET /devices/NAME falls to 0.",
    ),
    entry(
        "10: vanish at reboot; 2: the BMC reboots mid-update and loses all tasks",
        "controller-reboots", "the controller reboots",
        "The management controller boots once: gone for some seconds, then without sessions, "
        "subscriptions, streams and tasks. The host's power is not touched.",
        strike=once(lambda place, _: place.device.restart()),
        seen="Refused connections, then 401 for old tokens; tasks and subscriptions are 404.",
        oracle="sessions of GET /devices/NAME is empty.",
    ),
    entry(
        "10: after failed deliveries", "deliveries-fail", "pushed events do not arrive",
        "No pushed event arrives; after a few tries the subscription ends, as the standard's usual "
        "policy wants it.",
        strike=changing(_undelivered),
        seen="No POST at the destination; the subscription is gone after an event.",
        oracle="The subscription is gone from the device's truth.",
    ),
    entry(
        "10: at a limit of 20", "subscriptions-full", "the subscription table is full",
        "Others hold every one of the twenty subscriptions.",
        strike=changing(_crowd),
        arguments=(Argument(name="limit", what="size of the table", usual=20.0),),
        seen="POST to Subscriptions answers 503.", oracle="The members are in the device's truth.",
    ),
    entry("10: malformed events", "events-malformed", "broken events",
          "Before each event comes one that is cut off.", strike=changing(_lies("malformed")),
          seen="Data on the stream that is no JSON.", oracle="The event itself is right."),
    entry("10: duplicates", "events-duplicate", "each event comes twice",
          "Every event is sent twice, with the same id.", strike=changing(_lies("duplicate")),
          seen="The same id twice.", oracle="It happened once."),
    entry("10: time travel", "events-time-travel", "events are dated a day back",
          "EventTimestamp is a day before now.", strike=changing(_lies("time_travel")),
          seen="EventTimestamp is yesterday.", oracle="It happened now."),
    entry(
        "11: our own retries lock the account", "account-locks", "wrong passwords lock the account",
        "After so many wrong passwords the account is locked for a while, for the right password "
        "too.",
        strike=changing(_locks),
        arguments=(
            Argument(name="tries", what="wrong passwords until it locks", usual=3.0),
            Argument(name="seconds", what="how long it is locked", unit="s", usual=300.0),
        ),
        seen="After three wrong passwords the right one answers 401.",
        oracle="auth_failures of GET /devices/NAME.",
    ),
)  # fmt: skip
