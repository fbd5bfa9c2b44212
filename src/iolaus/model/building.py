"""What an operator writes of the building: where its broker is, whom we believe, what we may ask.

A `Building` stands in the file of power, beside the plant that the building tells of. Reading is
all that it permits by itself; each kind of request (isolation, set points, load targets) is
permitted by name. A password is never in it: it names a login of the credential store.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

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
Celsius = Annotated[float, msgspec.Meta(ge=0, le=100)]
Right = Literal["isolation", "setPoints", "flex"]
RIGHTS: Final = ("isolation", "setPoints", "flex")


class SetPointWant(Wanted, frozen=True, kw_only=True):
    """The supply temperatures that may be asked of a coolant unit: never outside these limits,
    never by more than `step` at once nor faster than `rate_per_minute`."""

    unit: Name
    min_c: Celsius
    max_c: Celsius
    step_c: Annotated[float, msgspec.Meta(gt=0, le=20)] = 0.5
    rate_per_minute_c: Annotated[float, msgspec.Meta(gt=0, le=60)] = 1.0


class SenderWant(Wanted, frozen=True, kw_only=True):
    """Who may set load targets, and the file with its public keys (a JSON Web Key Set)."""

    name: Name
    keys_file: File


class FlexWant(Wanted, frozen=True, kw_only=True):
    """`name` is ours among the grid's agents. `feeds` are the grid's names of our feeds and the
    domains of the plant that they are; none: every feed of the plant under its own name."""

    name: Name = "iolaus"
    senders: list[SenderWant] = []
    feeds: dict[Name, Name] = {}
    status: Duration = "30s"


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
    acknowledge: Duration = "5s"
    allow: list[Right] = []
    set_points: list[SetPointWant] = []
    flex: FlexWant = msgspec.field(default_factory=FlexWant)
    objects: dict[str, Name] = {}


class BuildingDocument(Wanted, frozen=True, kw_only=True):
    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["Building"]
    metadata: Metadata
    spec: BuildingSpec
