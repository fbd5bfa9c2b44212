"""What an address serves, by handshakes that send nothing: certificates are looked at before they
are trusted with a word.
"""

from __future__ import annotations

from typing import Final

from iolaus.kernel.errors import DeviceLied
from iolaus.wire.redfish.trust import first_contact, verifies

PATIENCE_S: Final = 10.0


class Handshakes:
    """`fleet`'s port `ShowsCertificates`. `ca_file` are the authorities that are trusted where
    nothing is pinned; None: the system's."""

    def __init__(self, ca_file: str | None) -> None:
        self._ca_file = ca_file

    async def shown(self, address: str) -> str:
        return await first_contact(address, timeout_s=PATIENCE_S)

    async def trusted(self, address: str) -> bool:
        try:
            return await verifies(address, self._ca_file, timeout_s=PATIENCE_S)
        except DeviceLied:
            return False
