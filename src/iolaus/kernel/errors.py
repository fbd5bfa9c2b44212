"""Errors that tell an operator what happened, to what, whose fault it is and what to do next.

Five classes, one per fault: the device was silent, refused, or lied; the operator must act; or
we erred. Everything that crosses a room is one of these; a bare `Exception` is a bug. The exit
code of the CLI follows from the class (interfaces: 0 ok, 1 differences or partial, 2 usage,
3 refused by policy, 4 unreachable, 5 verification failed).
"""

from __future__ import annotations

from typing import ClassVar, Final

NEXT: Final = " Next: "


class IolausError(Exception):
    """`operation` on `subject` failed because of `message`; `next_step` is what to do.

    `code` is a stable CamelCase word a program can match and a runbook page is named after.
    """

    fault: ClassVar[str] = "iolaus"
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        subject: str,
        code: str = "",
        next_step: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.subject = subject
        self.code = code or type(self).__name__
        self.next_step = next_step

    @property
    def what(self) -> str:
        """All but what to do."""
        return f"{self.operation} {self.subject}: {self.message}"

    def __str__(self) -> str:
        return f"{self.what}{NEXT}{self.next_step}" if self.next_step else self.what


def halves(written: str) -> tuple[str, str]:
    """Of an error that was kept as text: what happened, and what to do ("": nothing was said)."""
    what, _, next_step = written.partition(NEXT)
    return what, next_step


class DeviceSilent(IolausError):
    """No answer: no route, refused connection, time-out, a connection cut before the end."""

    fault = "device"
    exit_code = 4


class DeviceRefused(IolausError):
    """It answered and said no: 401, 403, 404, 405, 409, 503 and their like.

    `status` is the HTTP status (0 where there is none); `retry_after_s` is its wish, if any.
    """

    fault = "device"
    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        subject: str,
        code: str = "",
        next_step: str = "",
        status: int = 0,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(
            message, operation=operation, subject=subject, code=code, next_step=next_step
        )
        self.status = status
        self.retry_after_s = retry_after_s


class DeviceLied(IolausError):
    """It answered with something that cannot be true or cannot be read: HTML, cut or huge JSON."""

    fault = "device"
    exit_code = 4


FAILURES: Final = (DeviceSilent, DeviceRefused, DeviceLied)
"""What a device can do to whoever asks it; all else is not its fault."""


class OperatorMust(IolausError):
    """Only a person can go on: bad arguments, a missing credential, an unreadable file."""

    fault = "operator"
    exit_code = 2


class PolicyRefused(OperatorMust):
    """Allowed in principle, but not to this caller, or not without approval or a switch."""

    exit_code = 3


class Unverified(OperatorMust):
    """An identity or a signature did not verify: an unknown certificate, a wrong pin."""

    exit_code = 5


class WeErred(IolausError):
    """Our own fault or our own machine's: a full disk, a corrupt state file, a bug."""

    fault = "iolaus"
    exit_code = 1
