"""Going forward through bytes that somebody may have made up, to their exact end.

Formats of signed evidence are read with a cursor and never by slices from the end: what is left
over is as wrong as what is missing, since bytes that no parser has named are bytes that two
parsers may name differently. `Octets` cannot go past its bound, nor back.
"""

from __future__ import annotations

from typing import Final, Literal

from iolaus.kernel.errors import DeviceLied

MAX_EVIDENCE: Final = 8 << 20
"""Bytes of one piece of evidence; the largest event logs seen have some hundred thousand."""


class EvidenceMalformed(DeviceLied):
    """The bytes are not what they should be. `reason` is a stable word in kebab case ("truncated",
    "trailing-bytes", ...), `offset` where it shows (from byte 0 of what was being read)."""

    def __init__(
        self, reason: str, message: str, *, offset: int = 0, subject: str = "evidence"
    ) -> None:
        super().__init__(
            f"{message} (at byte {offset})",
            operation="read evidence",
            subject=subject,
            code="EvidenceMalformed",
            next_step="collect it again; if it stays so, the device or its controller is at fault",
        )
        self.reason = reason
        self.offset = offset


class Octets:
    """`start` is where `raw` stands in what `subject` names, for offsets in errors.

    Every method but `left` and `at` raises `EvidenceMalformed`.
    """

    def __init__(
        self,
        raw: bytes,
        *,
        subject: str,
        order: Literal["little", "big"] = "little",
        start: int = 0,
    ) -> None:
        self._raw, self._subject, self._order, self._start = raw, subject, order, start
        self._next = 0
        if len(raw) > MAX_EVIDENCE:
            raise self.wrong("too-large", f"{len(raw)} bytes, more than {MAX_EVIDENCE}")

    @property
    def at(self) -> int:
        return self._start + self._next

    @property
    def left(self) -> int:
        return len(self._raw) - self._next

    def wrong(self, reason: str, message: str) -> EvidenceMalformed:
        """An error at this place, to be raised."""
        return EvidenceMalformed(reason, message, offset=self.at, subject=self._subject)

    def take(self, size: int, what: str) -> bytes:
        if size > self.left:
            raise self.wrong("truncated", f"it ends within {what}: {size} bytes, {self.left} left")
        self._next += size
        return self._raw[self._next - size : self._next]

    def number(self, size: int, what: str) -> int:
        return int.from_bytes(self.take(size, what), self._order)

    def sized(self, size: int, what: str) -> bytes:
        """A value after its length, which is a number of `size` bytes."""
        return self.take(self.number(size, f"the length of {what}"), what)

    def within(self, size: int, what: str) -> Octets:
        """The next `size` bytes as a cursor of their own."""
        start = self.at
        return Octets(self.take(size, what), subject=self._subject, order=self._order, start=start)

    def end(self, what: str) -> None:
        """Nothing may be left."""
        if self.left:
            raise self.wrong("trailing-bytes", f"{self.left} bytes after {what}")
