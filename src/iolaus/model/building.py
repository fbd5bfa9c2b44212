"""What an operator writes of the building: where its broker is, whom we believe, what we may ask.

A `Building` stands in the file of power, beside the plant that the building tells of. Reading is
all that it permits by itself; asking for isolation and obeying load targets are permitted by name.
A password is never in it: it names a login of the credential store.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from iolaus.model.desired import Duration, Metadata, Wanted

Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="a name such as acme-energy"
    ),
]
File = Annotated[str, msgspec.Meta(min_length=1, max_length=4096, description="the path of a file")]
Fingerprint = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$",
        description="the SHA-256 of a certificate: 64 hexadecimal digits",
    ),
]
Right = Literal["isolation", "flex", "report", "setpoint"]


class SenderWant(Wanted, frozen=True, kw_only=True):
    """Who may set load targets, and the file with its public keys (a JSON Web Key Set)."""

    name: Name
    keys_file: File


class FlexWant(Wanted, frozen=True, kw_only=True):
    """`feeds` are the grid's names of our feeds and the domains of the plant that they are, beside
    every feed of the plant under its own name. `agent` is our own name with the grid."""

    agent: Name = "iolaus"
    senders: list[SenderWant] = []
    feeds: dict[Name, Name] = {}


class BuildingSpec(Wanted, frozen=True, kw_only=True):
    """`objects` gives the names that we know to objects that the building names otherwise."""

    broker: Annotated[str, msgspec.Meta(max_length=300, description="mqtts://host[:8883]")]
    integration: Name = "IOLAUS"
    credential: str | None = None
    ca_file: File | None = None
    fingerprint: Fingerprint | None = None
    cert_file: File | None = None
    key_file: File | None = None
    insecure: bool = False
    heartbeat: Duration = "10s"
    acknowledge: Duration = "15s"
    allow: list[Right] = []
    flex: FlexWant = msgspec.field(default_factory=FlexWant)
    objects: dict[str, Name] = {}


class BuildingDocument(Wanted, frozen=True, kw_only=True):
    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["Building"]
    metadata: Metadata
    spec: BuildingSpec
