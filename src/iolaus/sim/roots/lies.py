"""How a root of trust, or the courier that speaks for it, may lie: by name, each in one way only.

A lie is armed on a device by a fault rule and holds for the ComponentIntegrity resources that
its path glob matches. Everything else stays honest: a forged chain still signs the true
measurements, stale firmware still signs with the true key. So what a verifier objects to is the
lie, and not an accident of the simulation.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SPDM, TPM = "spdm", "tpm"
REPLAY, WRONG_NONCE, BAD_SIGNATURE = "replay", "wrong_nonce", "bad_signature"
FORGED, SWAPPED, STALE, TAMPERED = "forged_root", "swapped_identity", "stale_firmware", "tampered"
DEBUG, LOG_EDITED, SECURE_BOOT = "debug_mode", "log_edited", "secure_boot_off"

_BOTH: Final = (REPLAY, WRONG_NONCE, BAD_SIGNATURE, FORGED, SWAPPED, STALE, TAMPERED)
LIES: Final = (
    *(f"{protocol}_{kind}" for protocol in (SPDM, TPM) for kind in _BOTH),
    f"{SPDM}_{DEBUG}",
    f"{TPM}_{LOG_EDITED}",
    f"{TPM}_{SECURE_BOOT}",
)


@dataclass(frozen=True, slots=True)
class Lie:
    """`kind` is one of LIES; `names` the device whose identity is taken."""

    kind: str
    path: str = "*"
    names: Sequence[str] = ()


class Lies:
    """The lies that are on."""

    def __init__(self) -> None:
        self._on: list[Lie] = []

    def tell(self, lie: Lie) -> None:
        self._on.append(lie)

    def stop(self, lie: Lie) -> None:
        if lie in self._on:
            self._on.remove(lie)

    def told(self, kind: str, path: str) -> Lie | None:
        """The lie of this kind that concerns the root at this URI."""
        for lie in self._on:
            if lie.kind == kind and fnmatch.fnmatchcase(path, lie.path):
                return lie
        return None
