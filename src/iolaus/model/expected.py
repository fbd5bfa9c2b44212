"""What an operator writes of machines that are to come: `ExpectedHardware`, a list by serials.

A list says who may be taken on and as what, before anything answers. It holds no password: a
factory login stands in the credential store and here by its name only, so that the file can lie in
a repository. What is not written is not compared; the serial always is.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from iolaus.model.desired import Metadata, Name, Wanted

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Serial = Annotated[
    str,
    msgspec.Meta(
        min_length=2, max_length=64, pattern=r"^\S(.*\S)?$", description="as the label says it"
    ),
]
Mac = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}$",
        description='such as "3c:ec:ef:00:11:22"',
    ),
]
CredentialName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", description="a name of the credential store"
    ),
]
Pin = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$",
        description="the SHA-256 of its certificate, in hex",
    ),
]
NodeName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,118}[A-Za-z0-9])?$",
        description="letters, digits, . _ and -",
    ),
]
Boot = Literal["none", "http-boot", "pxe", "metal3", "ironic"]
MOST_NODES: Final = 20_000


class HandoverWant(Wanted, frozen=True, kw_only=True):
    """To whom a node goes when it is at its baseline. `http-boot` and `pxe` start it once from the
    network; `metal3` and `ironic` wait until it is exported or registered there; `url` is of
    Ironic's API, and `credential` the login for it; or it is what is fetched for `http-boot`, which
    DHCP says where nothing stands here."""

    to: Boot = "none"
    url: Annotated[str, msgspec.Meta(pattern=r"^https?://\S+$")] | None = None
    credential: CredentialName | None = None


class ExpectedNode(Wanted, frozen=True, kw_only=True):
    """One machine. `name` is what it is called here (the serial, where none is given); `make` and
    `model` may hold `*`; `credential` names its factory login in the credential store."""

    serial: Serial
    name: NodeName | None = None
    make: Text | None = None
    model: Text | None = None
    uuid: Text | None = None
    mac: Mac | None = None
    address: Text | None = None
    fingerprint: Pin | None = None
    credential: CredentialName | None = None
    role: Text | None = None
    rack: Text | None = None
    unit: Annotated[int, msgspec.Meta(ge=1, le=60)] | None = None
    slot: Text | None = None
    baseline: Name | None = None
    labels: dict[str, str] = {}


class ExpectedSpec(Wanted, frozen=True, kw_only=True):
    """`approval`: "each" asks a person for every node; "list" once for all that are exactly as
    expected; "unattended" asks nobody for those. `first_contact`: "refuse" takes no certificate
    that nobody vouches for, "pin" takes what a listed node shows first. What stands here holds for
    every node that says nothing else."""

    nodes: Annotated[list[ExpectedNode], msgspec.Meta(min_length=1, max_length=MOST_NODES)]
    approval: Literal["each", "list", "unattended"] = "each"
    first_contact: Literal["refuse", "pin"] = "refuse"
    make: Text | None = None
    model: Text | None = None
    role: Text | None = None
    credential: CredentialName | None = None
    baseline: Name | None = None
    authority: Name | None = None
    attest: Literal["if-asked", "required"] = "if-asked"
    labels: dict[str, str] = {}
    handover: HandoverWant = msgspec.field(default_factory=HandoverWant)


class ExpectedHardware(Wanted, frozen=True, kw_only=True):
    """The whole document."""

    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["ExpectedHardware"]
    metadata: Metadata
    spec: ExpectedSpec

    @property
    def name(self) -> str:
        return self.metadata.name


class KeptExpected(msgspec.Struct, frozen=True, kw_only=True):
    """A list as the server keeps it. `generation` grows with every change; `approved` are those
    who approved it: who, when, and which generation."""

    document: ExpectedHardware
    generation: int
    at: float
    by: str = ""
    source: str = ""
    approved: tuple[tuple[str, float, int], ...] = ()

    @property
    def is_approved(self) -> bool:
        """Somebody approved it as it is now."""
        return any(generation == self.generation for _, _, generation in self.approved)


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """One machine of one list, with what the list says for all laid under it. `mac` is twelve
    digits in lower case, `address` as targets are written."""

    list: str
    name: str
    serial: str
    make: str = ""
    model: str = ""
    uuid: str = ""
    mac: str = ""
    address: str = ""
    fingerprint: str = ""
    credential: str = ""
    baseline: str = ""
    authority: str = ""
    approval: str = "each"
    pins: bool = False
    attest: bool = False
    labels: dict[str, str] = {}
    handover: HandoverWant = HandoverWant()


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a list."""
    found = msgspec.json.schema(ExpectedHardware)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
