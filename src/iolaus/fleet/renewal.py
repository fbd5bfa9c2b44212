"""What is to be renewed at an endpoint, before it is put into steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from iolaus.fleet.certify import host_of
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.judge_certificate import ENDS, SUBJECT, served_of
from iolaus.model.desired import CertificateWant
from iolaus.model.drift import Item


class Renewal(NamedTuple):
    """`uri` is the certificate to replace; `names` are the hosts that the new one is for, the
    first by which the endpoint is reached."""

    authority: str
    uri: str
    names: tuple[str, ...]
    was: str


def renewal_of(
    want: CertificateWant | None, facts: NodeFacts, due: Sequence[Item]
) -> Renewal | None:
    """What is to be renewed; None: nothing is. `due` are the departures to be mended."""
    served = served_of(facts.certificates)
    item = next((each for each in due if each.subject == SUBJECT), None)
    if want is None or served is None or item is None:
        return None
    signed = f"signed by {common_name(served.issuer)}"
    was = f"until {(served.not_after or '')[:10]}" if item.reason.startswith(ENDS) else signed
    return Renewal(want.authority, served.uri, names_of(facts), was)


def common_name(name: str | None) -> str:
    """Who it is, in a line that people read."""
    parts = [part.strip() for part in (name or "").split(",")]
    return next((part[3:] for part in parts if part.startswith("CN=")), name or "nobody known")[:40]


def names_of(facts: NodeFacts) -> tuple[str, ...]:
    """The hosts of its certificate."""
    return (host_of(facts.endpoint),)
