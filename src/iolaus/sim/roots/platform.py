"""A host's TPM on its device: what was measured at the last boot, quoted on demand.

The boot that counts is the last one: the first read after the start assumes that the host booted
with what its tree says, and every later power-on takes what is installed then (`booted`). So a
firmware that was flashed shows in the registers when the host has been restarted, not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iolaus.sim.personas.parts.trust import TpmRoot
from iolaus.sim.personas.sketch import uri
from iolaus.sim.roots import boot as boots
from iolaus.sim.roots import eventlog, tpm
from iolaus.sim.roots.algorithms import Hashing
from iolaus.sim.roots.asking import Read, Refused, Setting
from iolaus.sim.roots.boot import Boot
from iolaus.sim.roots.chain import Certified, Who
from iolaus.sim.roots.eventlog import Event
from iolaus.sim.roots.keys import noise
from iolaus.sim.roots.lies import (
    BAD_SIGNATURE,
    LOG_EDITED,
    REPLAY,
    SECURE_BOOT,
    STALE,
    TAMPERED,
    WRONG_NONCE,
)
from iolaus.sim.roots.questions import TpmQuestion
from iolaus.sim.roots.tpm import Clock, Selection
from iolaus.sim.tree import Resource

LONGEST_NONCE: Final = 64
FIRMWARE_VERSION: Final = 0x0010000D00000000


@dataclass(slots=True)
class Platform:
    """`boot` is the last one; None: the one before the simulator started."""

    root: TpmRoot
    setting: Setting
    factory: Read
    boot: Boot | None = None

    def booted(self) -> None:
        """The host has just been started."""
        before = self.boot.count if self.boot is not None else 1
        host = self.setting.host
        self.boot = self._boot(None, count=before + 1, at_s=host.now())

    @property
    def last_boot(self) -> Boot:
        """As it happened, lies included: what was loaded then is what was measured."""
        found = self.boot or self._boot(self.factory, count=1, at_s=boots_since(self.setting.who))
        setting = self.setting
        if setting.lying(SECURE_BOOT):
            found = replace(found, secure=False)
        if setting.lying(STALE) or setting.lying(TAMPERED):
            found = replace(found, firmware=setting.running([found.firmware])[0])
        return found

    def _boot(self, factory: Read | None, *, count: int, at_s: float) -> Boot:
        """With what is there now, or with what came from the factory."""
        root, setting, read = self.root, self.setting, factory or self.setting.host.kept
        entries = [uri(entry) for entry in (root.firmware, *root.adapters)]
        firmware, *adapters = setting.claimed(entries, factory)
        bios = read(uri(f"{root.system}/Bios")) or {}
        secure = read(uri(f"{root.system}/SecureBoot")) or {}
        settings = bios.get("Attributes")
        return Boot(
            firmware=firmware,
            claimed=firmware.version,
            adapters=adapters,
            settings=settings if isinstance(settings, dict) else {},
            secure=secure.get("SecureBootCurrentBoot") == "Enabled",
            variables=_variables(read, uri(f"{root.system}/SecureBoot/SecureBootDatabases")),
            locality=root.locality,
            count=count,
            at_s=at_s,
        )

    @property
    def banks(self) -> list[Hashing]:
        return [tpm.BANKS[name] for name in self.root.banks]

    def events(self) -> list[Event]:
        return boots.events(self.last_boot, self.setting.who.seed)

    def log(self) -> bytes:
        """The event log as the host's firmware hands it on."""
        events = self.events()
        if self.setting.lying(LOG_EDITED):
            number = next(n for n, event in enumerate(events) if event.register == 8)
            event = events[number]
            events[number] = replace(event, logged=b"grub_cmd: linux /boot/vmlinuz quiet\0",
                                     measured=b"linux /boot/vmlinuz quiet")  # fmt: skip
        return eventlog.encoded(events, self.banks)

    def registers(self) -> Mapping[str, Sequence[bytes]]:
        events = self.events()
        return {bank.name: eventlog.registers(events, bank) for bank in self.banks}

    def certified(self, kind: str) -> Certified:
        who = self.setting.signer()
        return tpm.endorsement(who) if kind == "ek" else tpm.attestation(who, kind)

    def check(self, selection: Selection) -> None:
        """Raises Refused for a bank that this TPM does not keep."""
        for bank, _ in selection:
            if bank.name not in self.root.banks:
                raise Refused("PCRSelection", bank.name)

    def quote(self, asked: TpmQuestion) -> bytes:
        """TPM2B_ATTEST and TPMT_SIGNATURE, as SignedMeasurements carries them. Raises Refused."""
        self.check(asked.selection)
        attest = self._replayed(asked) if self.setting.lying(REPLAY) else self._attest(asked)
        return tpm.sized(attest) + self._signed(attest, asked)

    def _replayed(self, asked: TpmQuestion) -> bytes:
        """The first quote of this kind, for a nonce of long ago."""
        kept = self.setting.replayed
        chosen = [(bank.name, list(numbers)) for bank, numbers in asked.selection]
        key = f"{chosen} {asked.key} {asked.hashing.name}"
        if key not in kept:
            old = noise("nonce of long ago", self.setting.who.serial)
            kept[key] = self._attest(replace(asked, nonce=old))
        return kept[key]

    def _attest(self, asked: TpmQuestion) -> bytes:
        nonce = asked.nonce
        if self.setting.lying(WRONG_NONCE):
            nonce = bytes([(nonce or bytes(1))[0] ^ 1]) + nonce[1:]
        return tpm.quoted(
            signer=tpm.signer_name(self.setting.signer(), asked.key),
            nonce=nonce,
            clock=self._clock(),
            firmware=FIRMWARE_VERSION,
            selection=asked.selection,
            digest=tpm.composite(asked.selection, self.registers(), asked.hashing),
        )

    def _clock(self) -> Clock:
        boot = self.last_boot
        return Clock(max(0, int(1000 * (self.setting.host.now() - boot.at_s))), boot.count)

    def _signed(self, data: bytes, asked: TpmQuestion) -> bytes:
        key = self.certified(asked.key).key
        made = tpm.signed(key, data, scheme=asked.scheme, hashing=asked.hashing)
        if self.setting.lying(BAD_SIGNATURE):
            return made[:-1] + bytes([made[-1] ^ 1])
        return made


def boots_since(who: Who) -> float:
    """When a host was started before the simulator was: some time in early 2026."""
    days = int.from_bytes(noise("uptime", who.serial, size=2), "big") % 30
    return 1_767_225_600.0 + 86_400.0 * days


def _variables(read: Read, place: str) -> dict[str, bytes] | None:
    """Secure Boot's databases as the host shows them; None if it shows none."""
    if read(place) is None:
        return None

    def members(path: str) -> list[Resource]:
        links = (read(path) or {}).get("Members") or ()
        return [read(str(link["@odata.id"]).rstrip("/")) or {} for link in links]

    certificates = {
        each: [_der(held) for held in members(f"{place}/{each}/Certificates")]
        for each in ("PK", "KEK", "db")
    }
    barred = [bytes.fromhex(held["SignatureString"]) for held in members(f"{place}/dbx/Signatures")]
    return boots.variables_of(certificates, barred)


def _der(held: Resource) -> bytes:
    pem = str(held["CertificateString"]).encode()
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
