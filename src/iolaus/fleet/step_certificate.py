"""Steps that renew the certificate of a controller's web server.

Two, because what is to be accepted later must be in the journal before the device can serve it:
first a request of the device is signed, which changes nothing there and may be done again; then
the certificate is put in, and the endpoint is waited for until it serves it. Only a certificate of
which the journal says the fingerprint is ever accepted, and only by looking at it with a handshake
that sends nothing; then the pin moves and everything else is read under the new one.

There is no way back: the old key is gone from the device with its certificate. A controller that
took the certificate and does not serve it is restarted, on the budget of such restarts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.judge_certificate import served_of
from iolaus.fleet.renewal import Renewal, common_name, names_of
from iolaus.fleet.step import LIFT_MANAGER, REACHABLE, Draft, step
from iolaus.fleet.work import Halt
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import Action, Asked, Expect, Fate, Op, Verb

ROOM: Final = "certificate/"
READY, SERVED = "certificate/ready", "certificate/served"
"""Whether a certificate for it is signed and journalled; which one it serves."""
OLD, NEW = "the old one", "the new one"
REQUEST, INSTALL = "certificate/request", "certificate/install"


def check_certificate(asked: Asked) -> None:
    """`authority` is the name of the one that is to sign. Raises `OperatorMust`."""
    if set(asked.arguments) != {"authority"} or not asked.arguments["authority"]:
        raise OperatorMust(
            "who is to sign is not said, or more than that",
            operation="plan",
            subject="what is asked",
            code="BadRequest",
            next_step="name the authority, and nothing else.",
        )


def say_certificate(asked: Asked) -> str:
    return f"a new certificate, signed by {asked.arguments.get('authority')}"


def certificate_course(facts: NodeFacts, asked: Asked) -> tuple[Draft, ...] | Halt:
    """A new one whatever the old one is. Pure."""
    served = served_of(facts.certificates)
    if not facts.answers:
        return Halt(Fate.NO_OP, "another asset of its endpoint answers for the certificate")
    if not facts.endpoint.startswith("https:"):
        return Halt(Fate.BLOCKED, "it is reached without TLS")
    if served is None:
        return Halt(Fate.BLOCKED, "it shows no certificate of its web server")
    was = f"signed by {common_name(served.issuer)}"
    authority = str(asked.arguments["authority"])
    return tuple(certificate_drafts(Renewal(authority, served.uri, names_of(facts), was)))


def certificate_drafts(renewal: Renewal | None) -> Iterator[Draft]:
    if renewal is not None:
        yield _request(renewal)
        yield _install(renewal)


def _request(renewal: Renewal) -> Draft:
    collection = renewal.uri.rpartition("/")[0]
    given = {"authority": renewal.authority, "collection": collection, "names": [*renewal.names]}
    return Draft(
        "request-certificate",
        step(
            Action(verb=Verb.RENEW_CERTIFICATE, subject=REQUEST, arguments=given),
            f"Let it make a key, and have its request signed by {renewal.authority}",
            before=REACHABLE,
            after=(Expect(subject=READY, op=Op.IS, value=True),),
            timeout_s=300.0,
            reads=1,
            attempts=3,
        ),
    )


def _install(renewal: Renewal) -> Draft:
    given = {"uri": renewal.uri, "authority": renewal.authority, "was": renewal.was}
    return Draft(
        "renew-certificate",
        step(
            Action(verb=Verb.RENEW_CERTIFICATE, subject=INSTALL, arguments=given),
            f"Put its certificate in, and see that it is served (was {renewal.was})",
            before=(
                Expect(subject=READY, op=Op.IS, value=True),
                Expect(subject=SERVED, op=Op.IS, value=OLD),
                *REACHABLE,
            ),
            after=(Expect(subject=SERVED, op=Op.IS, value=NEW), *REACHABLE),
            timeout_s=300.0,
            escalate=(LIFT_MANAGER,),
        ),
    )
