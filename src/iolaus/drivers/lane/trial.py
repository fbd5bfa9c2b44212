"""One login on the side: does this password work?

It has a conversation of its own, so that what everybody else reads goes on undisturbed by a wrong
password, and it waits for a slot of the device like any request. It tries once, at most one login
fails by it, and its session is deleted on every way out. Whether it may be tried at all is decided
by whoever asks; here nothing is counted.
"""

from __future__ import annotations

from typing import Final

from iolaus.drivers.lane.session import LOGIN_REFUSED, Conversation
from iolaus.kernel.errors import DeviceRefused
from iolaus.wire.redfish.port import SessionLedger

PROOF: Final = "/redfish/v1/AccountService"
"""Asked by Basic where there is no session: nobody reads it without a login."""
LET_IN: Final = frozenset({403, 404})
"""Answers to a login that is known and may or can do nothing here."""


async def is_let_in(conversation: Conversation, *, proof: str = PROOF) -> bool:
    """Raises `DeviceSilent`, `DeviceLied`, or `DeviceRefused` where no verdict was given."""
    try:
        await conversation.login()
    except DeviceRefused as refused:
        if refused.status in LOGIN_REFUSED:
            return False
        raise
    try:
        return conversation.has_session or await _reads(conversation, proof)
    finally:
        await conversation.logout()


async def _reads(conversation: Conversation, proof: str) -> bool:
    try:
        await conversation.request("GET", proof)
    except DeviceRefused as refused:
        if refused.status in LET_IN:
            return True
        if refused.status == 401:
            return False
        raise
    return True


class Aside:
    """A session ledger for trials: what they leave is found after a crash, and what others hold
    is never taken for left behind."""

    def __init__(self, ledger: SessionLedger) -> None:
        self._ledger = ledger

    def remember(self, address: str, session_uri: str) -> None:
        self._ledger.remember(address, session_uri)

    def forget(self, address: str, session_uri: str) -> None:
        self._ledger.forget(address, session_uri)

    def ours(self, address: str) -> tuple[str, ...]:
        del address
        return ()
