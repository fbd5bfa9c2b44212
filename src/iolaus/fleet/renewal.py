"""What is to be renewed at an endpoint, before it is put into steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from iolaus.fleet.certify import host_of
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.judge_certificate import SUBJECT, served_of
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
    if want is None or served is None or not any(item.subject == SUBJECT for item in due):
        return None
    was = f"signed by {served.issuer or 'nobody known'}"
    return Renewal(want.authority, served.uri, names_of(facts), was)


def names_of(facts: NodeFacts) -> tuple[str, ...]:
    """The hosts of its certificate."""
    return (host_of(facts.endpoint),)
