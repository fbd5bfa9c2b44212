"""What a controller sends by itself, as its rack's edge needs it. Pure.

An event about a leak names a detector by its origin, by its words, or not at all: then each of the
controller's is meant. Its grade is the sender's word and no reading, so it leads to the detector;
how far it is believed where that cannot be read is the reader's affair. A metric report is
readings, where it tells a property of a resource that the last inventory knows; of detectors it is
taken as an event, for the same reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from iolaus.energy.ports import Grade
from iolaus.energy.seats import Seat, detector_name
from iolaus.model.asset import Reading, Report

GRADES: Final[Mapping[str, Grade]] = MappingProxyType(
    {
        "LeakDetectedCritical": Grade.CRITICAL,
        "LeakDetectedWarning": Grade.WARNING,
        "LeakDetectedNormal": Grade.GOOD,
    }
)
"""By the last word of the message id (DMTF Environmental registry)."""
STATE, READING = "DetectorState", "Reading"


class LeakWord(NamedTuple):
    """`detectors` are those to look at, by the subject of their signals and their URI; `grade` is
    what was said of them, None for nothing."""

    detectors: Mapping[str, str]
    grade: Grade | None


def detectors_of(seat: Seat, report: Report) -> dict[str, str]:
    """A seat's leak detectors: the subject of their signals, and where each is read."""
    leaks = (each for each in report.readings if each.role == "leak")
    return {detector_name(seat.name, each): each.uri for each in leaks}


def leak_word(
    detectors: Mapping[str, str], *, message_id: str, message: str, origin: str
) -> LeakWord | None:
    """None where the event is of no leak, or nothing here could be."""
    kind = message_id.rpartition(".")[2]
    place = _resource(origin)
    named = {name: uri for name, uri in detectors.items() if place and _resource(uri) == place}
    if not detectors or not (named or kind.startswith("Leak") or "LeakDetect" in place):
        return None
    spoken = {name: uri for name, uri in detectors.items() if name.rpartition("/")[2] in message}
    return LeakWord(named or spoken or dict(detectors), GRADES.get(kind))


def metered(
    readings: Sequence[Reading], values: Iterable[tuple[str, str]], *, at: float
) -> Iterator[Reading]:
    """The readings that these (property URI, value) pairs renew. Leak detectors are none."""
    known = {each.uri: each for each in readings if each.role != "leak"}
    for uri, text in values:
        path, name = _split(uri)
        held = known.get(path)
        if held is None or name != READING:
            continue
        value = _number(text)
        reason = "" if value is not None else "the metric report tells no number"
        yield msgspec.structs.replace(held, value=value, reason=reason, at=at, status=None)


def metered_leaks(
    detectors: Mapping[str, str], values: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """The detectors of which a metric report says anything but dry, with their URIs."""
    wet = {path for uri, text in values for path, name in [_split(uri)] if _is_wet(name, text)}
    return {name: uri for name, uri in detectors.items() if _resource(uri) in wet}


def _is_wet(name: str, text: str) -> bool:
    return name == STATE and text != "OK"


def _split(uri: str) -> tuple[str, str]:
    """A property's resource and its name: `.../Sensors/P#/Reading`, or without the hash."""
    path, _, name = uri.rstrip("/").rpartition("/")
    return path.removesuffix("#"), name


def _resource(uri: str) -> str:
    return uri.partition("#")[0].rstrip("/")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
