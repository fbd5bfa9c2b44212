"""What a shared hall and its parts say to each other: a line of JSON each time, through pipes.

A part is told its `Order`, then, once the first part has found them, the `Ports`; it answers once,
`Ready` or `Failed`. When its input ends, it does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from iolaus.kernel.errors import IolausError, OperatorMust, WeErred


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """`file` None is the default hall, `only` the numbers of the part's devices in it. `authority`
    is the hall's, with its key ("": no TLS)."""

    file: str | None
    nodes: int | None
    user: str | None
    password_file: str | None
    only: tuple[int, ...]
    console: bool
    authority: str
    tls_dir: str | None
    faults: str | None


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where all listen; 0: one that is free on all of the part's addresses."""

    port: int = 0
    console: int = 0


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """`hosts` are the part's entries of the hosts file, in the order of its devices."""

    ports: Ports
    consoles: int
    url: str
    token: str
    hosts: tuple[dict[str, Any], ...]


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """An error, as it was raised; `ours`: nobody else's fault."""

    message: str
    operation: str
    subject: str
    code: str
    next_step: str
    ours: bool = False

    @classmethod
    def of(cls, error: IolausError) -> Failed:
        return cls(
            message=error.message,
            operation=error.operation,
            subject=error.subject,
            code=error.code,
            next_step=error.next_step,
            ours=not isinstance(error, OperatorMust),
        )

    def error(self) -> IolausError:
        kind = WeErred if self.ours else OperatorMust
        return kind(
            self.message,
            operation=self.operation,
            subject=self.subject,
            code=self.code,
            next_step=self.next_step,
        )
