"""Opening a session of RMCP+: who asks and who answers prove that they know the password (13.20 to
13.24), and neither sends it.

Sans I/O: what to send comes out, what came goes in. The proof of the controller is held against
the password before ours is sent, so a wrong password costs no failed login at the controller, and
who pretends to be it learns nothing but the RAKP's own weakness: it may try passwords off line.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from typing import Final

from iolaus.wire.ipmi.packets import (
    OPEN_ANSWER,
    OPEN_ASK,
    RAKP_1,
    RAKP_2,
    RAKP_3,
    RAKP_4,
    Keys,
    Packet,
    Suite,
    keys_of,
    plain,
)

ADMINISTRATOR: Final = 0x04
NAME_ALONE: Final = 0x10
MOST_NAME, MOST_PASSWORD = 16, 20
TAG: Final = 0
STATUS: Final = {
    0x01: "it has no room for another session",
    0x0D: "no such account, or it may not come in by IPMI",
    0x0E: "the account's privilege is too low",
    0x09: "the role is not known to it",
    0x0F: "a password of this length it cannot check",
    0x11: "it does not know the cipher suite",
    0x12: "it has no room for another session",
}
"""Of RAKP's and the session's (table 13-15)."""
NO_SUITE: Final = frozenset({0x04, 0x05, 0x10, 0x11})


class Refused(Exception):
    """The controller said no. `is_suite`: only to this cipher suite; `is_login`: to who we are."""

    def __init__(self, why: str, *, is_suite: bool = False, is_login: bool = False) -> None:
        super().__init__(why)
        self.is_suite, self.is_login = is_suite, is_login


class Login:
    """One try with one cipher suite. `keys` stand once the session is open, `ours` and `theirs` are
    its numbers at either end."""

    def __init__(self, user: str, password: str, suite: Suite) -> None:
        self._user = user.encode()[:MOST_NAME]
        self._secret, self._suite = password.encode()[:MOST_PASSWORD], suite
        self.ours, self.theirs = secrets.randbits(31) | 1, 0
        self._random, self._their_random, self._guid = secrets.token_bytes(16), b"", b""
        self._role = bytes([NAME_ALONE | ADMINISTRATOR, len(self._user)]) + self._user
        self._session_key = b""
        self._expected = OPEN_ANSWER
        self.keys: Keys | None = None

    def begin(self) -> bytes:
        algorithms = (0, self._suite.authentication), (1, self._suite.integrity), (2, 1)
        asked = b"".join(bytes([kind, 0, 0, 8, number, 0, 0, 0]) for kind, number in algorithms)
        return plain(OPEN_ASK, struct.pack("<BBHI", TAG, 0, 0, self.ours) + asked)

    def heard(self, packet: Packet) -> bytes | None:
        """What to send next; None: nothing (it is open, or it was not for us). Raises `Refused`."""
        if packet.kind != self._expected or len(packet.payload) < 8:
            return None
        tag, status, _, ours = struct.unpack_from("<BBHI", packet.payload)
        if tag != TAG or (ours != self.ours and not status):
            return None
        if status:
            raise Refused(
                STATUS.get(status, f"status {status:#04x}"),
                is_suite=status in NO_SUITE,
                is_login=status in (0x0D, 0x0E, 0x0F),
            )
        steps = {OPEN_ANSWER: self._opened, RAKP_2: self._proved, RAKP_4: self._agreed}
        return steps[packet.kind](packet.payload)

    def _opened(self, payload: bytes) -> bytes | None:
        if len(payload) < 36:
            return None
        self.theirs = struct.unpack_from("<I", payload, 8)[0]
        taken = payload[16], payload[24], payload[32]
        if taken != (self._suite.authentication, self._suite.integrity, 1):
            raise Refused("it takes another cipher suite than was asked for", is_suite=True)
        self._expected = RAKP_2
        role = self._role[:1] + b"\0\0" + self._role[1:]
        return plain(RAKP_1, struct.pack("<BBHI", TAG, 0, 0, self.theirs) + self._random + role)

    def _proved(self, payload: bytes) -> bytes | None:
        if len(payload) < 40:
            return None
        self._their_random, self._guid, proof = payload[8:24], payload[24:40], payload[40:]
        ends = struct.pack("<II", self.ours, self.theirs)
        said = ends + self._random + self._their_random + self._guid + self._role
        if not hmac.compare_digest(proof, self._hmac(self._secret, said)):
            raise Refused("the password is not the controller's", is_login=True)
        key = self._hmac(self._secret, self._random + self._their_random + self._role)
        self._session_key, self._expected = key, RAKP_4
        ours = self._their_random + struct.pack("<I", self.ours) + self._role
        head = struct.pack("<BBHI", TAG, 0, 0, self.theirs)
        return plain(RAKP_3, head + self._hmac(self._secret, ours))

    def _agreed(self, payload: bytes) -> bytes | None:
        said = self._random + struct.pack("<I", self.theirs) + self._guid
        check = self._hmac(self._session_key, said)[: self._suite.check_bytes]
        if not hmac.compare_digest(payload[8:], check):
            raise Refused("it has another session key than we", is_login=True)
        self.keys = keys_of(self._suite, self._session_key)
        return None

    def _hmac(self, key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, self._suite.digest)
