"""Packages that simulated machines take: a new version of what they run, ready to push.

    from iolaus.sim.firmware.examples import example
    Path("gpu.fwpkg").write_bytes(example("gb300-tray", {"HGX_FW_GPU_0": "97.20.01"}))

The keys are ids of the persona's firmware inventory (components of one kind share an image, so
one of them stands for all), the values the versions. What is made is what the maker would sign:
its digest is among the reference values of that version (`roots/references.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.firmware.build import Part, pldm_package, tarball
from iolaus.sim.firmware.choose import descriptors_of, identifier_of, signature_of
from iolaus.sim.firmware.pldm import Record
from iolaus.sim.personas import personas
from iolaus.sim.personas.parts.flash import HOST, Flash
from iolaus.sim.personas.parts.flash import Part as Kind
from iolaus.sim.personas.parts.trust import INVENTORY
from iolaus.sim.personas.sketch import uri
from iolaus.sim.roots.asking import image_of
from iolaus.sim.roots.firmware import Image

_ACTIVATION: Mapping[str, int] = {"now": 1, "controller": 4, "host": 8, "mains": 32}


def example(
    persona: str,
    versions: Mapping[str, str],
    *,
    revision: int = 1,
    images: Mapping[str, bytes] | None = None,
) -> bytes:
    """A PLDM package for machines of this kind. `images` replace the maker's images. Raises
    OperatorMust for a persona or an entry that is not there or cannot be updated."""
    parts, records = [], []
    for number, (entry, version) in enumerate(versions.items()):
        flash, kind, image = _meant(persona, entry, version)
        data = (images or {}).get(entry, image.data)
        parts.append(Part(image=data, identifier=identifier_of(image.component), version=version,
                          classification=kind.classification,
                          activation=_ACTIVATION[kind.wakes]))  # fmt: skip
        descriptors = descriptors_of(flash, kind, image.component)
        records.append(Record(descriptors=descriptors, components=[number], version=version))
    return pldm_package(parts, records, version=f"{persona}-1", revision=revision)


def example_tarball(persona: str, entry: str, version: str) -> bytes:
    """The archive that controllers with OpenBMC take, for one component."""
    _, kind, image = _meant(persona, entry, version)
    purpose = "Host" if kind.wakes == HOST else "BMC"
    said = {
        "purpose": f"xyz.openbmc_project.Software.Version.VersionPurpose.{purpose}",
        "version": version,
        "KeyType": "OpenBMC",
        "HashType": "RSA-SHA256",
        "MachineName": str(identifier_of(image.component)),
    }
    name = f"image-{purpose.lower()}"
    return tarball({name: image.data, f"{name}.sig": signature_of(image.data)}, said)


def _meant(persona: str, entry: str, version: str) -> tuple[Flash, Kind, Image]:
    found = personas().get(persona)
    flash = found.flash if found is not None else None
    kind = flash.part(entry) if flash is not None else None
    path = uri(f"{INVENTORY}/{entry}")
    body = found.draw().get(path) if found is not None else None
    if flash is None or kind is None or body is None:
        raise OperatorMust(
            f"no {entry!r} of {persona!r} can be updated",
            operation="make a firmware package",
            subject=persona,
            code="NoSuchComponent",
            next_step="Give a persona and the Id of an entry of its FirmwareInventory.",
        )
    return flash, kind, Image(image_of(path, body).component, version)
