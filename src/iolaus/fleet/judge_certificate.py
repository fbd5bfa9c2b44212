"""Whether the certificate that a controller serves is the one that is wanted. Pure.

Four questions, the first that is answered wrongly is told: who signed it, for which host, with
which key, and until when. An endpoint has one web server, so one of its assets answers for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from iolaus.fleet.certify import LEAST_RSA, host_of
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.window import parse_duration
from iolaus.model.asset import Certificate
from iolaus.model.authority import Authority
from iolaus.model.desired import CertificateWant
from iolaus.model.drift import Item, Outcome

SUBJECT: Final = "bmc/certificate"
WEB: Final = "Web"
ENDS: Final = "it end"
"""How the reason begins where time alone is what is wrong."""
DAY_S: Final = 86_400.0
Authorities = Mapping[str, Authority]


class Said(NamedTuple):
    outcome: Outcome
    reason: str
    served: Certificate | None = None


def judge_certificate(
    want: CertificateWant, facts: NodeFacts, authorities: Authorities, *, baseline: str, now: float
) -> Item | None:
    """The departure; None: it is as wanted."""
    said = _said(want, facts, authorities, now)
    if said is None:
        return None
    served = said.served
    return Item(
        subject=SUBJECT,
        outcome=said.outcome,
        baseline=baseline,
        desired=f"signed by {want.authority}",
        applied=f"signed by {served.issuer}" if served and served.issuer else None,
        reason=said.reason,
        part="certificate" if served else "",
        uri=served.uri if served else "",
    )


def served_of(certificates: Iterable[Certificate]) -> Certificate | None:
    """The certificate of the web server; None where none is shown."""
    return next((each for each in certificates if WEB in each.usage), None)


def _said(
    want: CertificateWant, facts: NodeFacts, authorities: Authorities, now: float
) -> Said | None:
    authority = authorities.get(want.authority)
    served = served_of(facts.certificates)
    if not facts.endpoint.startswith("https:"):
        return Said(Outcome.UNKNOWN, "it is reached without TLS")
    if authority is None:
        return Said(Outcome.UNKNOWN, f"no authority is called {want.authority}")
    if served is None:
        return Said(Outcome.UNKNOWN, "it shows no certificate of its web server")
    if served.issuer is None:
        return Said(Outcome.UNKNOWN, "it does not say who signed its certificate", served)
    if why := _wrong(served, authority, facts):
        return Said(Outcome.DRIFTED, why, served)
    ends = _moment(served.not_after)
    if ends is None:
        return Said(Outcome.UNKNOWN, "it does not say when its certificate ends", served)
    if ends - now > parse_duration(want.renew_before):
        return None
    days = int((ends - now) // DAY_S)
    told = f"s in {days} days" if days > 0 else "s today" if days == 0 else "ed"
    return Said(Outcome.DRIFTED, f"{ENDS}{told} ({served.not_after})", served)


def _wrong(served: Certificate, authority: Authority, facts: NodeFacts) -> str:
    host = host_of(facts.endpoint)
    if _parts(served.issuer or "") != _parts(authority.subject):
        return f"it is not signed by {authority.name}"
    if served.names and host.lower() not in {name.lower() for name in served.names}:
        return f"it is not for {host}"
    kind, _, size = (served.key or "").partition(" ")
    if kind == "RSA" and size.isdigit() and int(size) < LEAST_RSA:
        return f"its key is {served.key}"
    return ""


def _parts(name: str) -> frozenset[str]:
    """The attributes of a name in whatever order: controllers tell them in their own."""
    return frozenset(part.strip() for part in name.split(",") if part.strip())


def _moment(text: str | None) -> float | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
