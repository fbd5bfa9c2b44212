"""What a root of trust needs to know of the device that it sits in, and how it is asked.

A root never speaks Redfish: it reads which firmware its device runs, and answers with bytes.
`Setting` is the little that all kinds share; the kinds are in `responder` and `platform`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from iolaus.sim.roots.chain import Who
from iolaus.sim.roots.firmware import UNVERSIONED, Image, component_of, version_before
from iolaus.sim.roots.lies import FORGED, LIES, STALE, SWAPPED, TAMPERED, Lie, Lies

Resource = dict[str, Any]
Read = Callable[[str], Resource | None]


class Refused(Exception):
    """The question cannot be answered; `parameter` is at fault, and `value` is what it was."""

    def __init__(self, parameter: str, value: str) -> None:
        super().__init__(f"{parameter}={value}")
        self.parameter, self.value = parameter, value


class Host(Protocol):
    """The device, as far as a root of trust sees it."""

    def kept(self, path: str) -> Resource | None: ...

    def now(self) -> float: ...

    @property
    def running(self) -> Mapping[str, Image]: ...


@dataclass(slots=True, kw_only=True)
class Setting:
    """How it is spoken to, who it is, at which URI, and what it lies about. `asked` counts its
    questions and answers, from which its nonces follow."""

    protocol: str
    who: Who
    path: str
    host: Host
    lies: Lies
    asked: int = 0
    replayed: dict[str, bytes] = field(default_factory=dict)

    def lie(self, kind: str) -> Lie | None:
        return self.lies.told(f"{self.protocol}_{kind}", self.path)

    def lying(self, kind: str) -> bool:
        return self.lie(kind) is not None

    def told(self) -> list[str]:
        """The lies that are on."""
        return [kind for kind in LIES if self.lies.told(kind, self.path) is not None
                and kind.startswith(self.protocol)]  # fmt: skip

    def signer(self) -> Who:
        """Whose keys are used: its own, unless it lies about that."""
        swapped = self.lie(SWAPPED)
        if swapped is not None:
            other = swapped.names[0] if swapped.names else f"{self.who.device} sibling"
            return replace(self.who, device=other)
        return replace(self.who, forged=True) if self.lying(FORGED) else self.who

    def claimed(self, entries: Sequence[str], read: Read | None = None) -> list[Image]:
        """The images that run, as they say of themselves: what was flashed and loaded, or else
        what the firmware inventory says."""
        flashed = self.host.running if read is None else {}
        look = read or self.host.kept
        return [flashed.get(entry) or image_of(entry, look(entry)) for entry in entries]

    def running(self, claimed: Sequence[Image]) -> list[Image]:
        """The images that are measured."""
        if self.lying(TAMPERED):
            return [replace(image, build="tampered") for image in claimed]
        if self.lying(STALE):
            return [replace(image, version=version_before(image.version)) for image in claimed]
        return list(claimed)


def image_of(entry: str, found: Resource | None) -> Image:
    """The image of a firmware inventory entry."""
    body = found or {}
    text = body.get("SoftwareId")
    software = text if isinstance(text, str) and text else entry.rpartition("/")[2]
    version = body.get("Version")
    known = isinstance(version, str) and version.strip()
    return Image(component_of(software), known or UNVERSIONED)
