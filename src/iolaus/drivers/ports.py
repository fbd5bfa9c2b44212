"""Capabilities as small protocols: a driver has one or it does not.

What an endpoint can do is data, proved by reading (`Report.capabilities`), not assumed from its
vendor. Drivers see a device only through `Reads` and `Writes`, which a lane provides: no driver
opens a connection, keeps a session, retries or waits.

A write ends in a `Receipt` or an error, and a receipt proves only that the device took it: whether
it came true is read afterwards, by whoever asked. "Already so" is success. All raise
`DeviceSilent` (nobody knows whether it took effect), `DeviceRefused` (`code` from
`wire.redfish.errors.Code`; `status` 0 where nothing was sent because the device does not offer
it), `DeviceLied`, and `OperatorMust` for what was asked wrongly.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, Literal, Protocol, runtime_checkable

import msgspec

from iolaus.model.asset import HotUpdate, LogEntry, Reading, Report
from iolaus.model.console import ConsoleFacts, ConsoleWay
from iolaus.model.credential import AccountPolicy
from iolaus.model.evidence import Attester, Question, Shown
from iolaus.wire.redfish.port import Answer, Credential, Trust
from iolaus.wire.redfish.task import Progress
from iolaus.wire.redfish.upload import Upload

CLOSED: Final = "Closed"
"""The code of what fails because we closed the way to a device: it says nothing of the device."""


class Priority(IntEnum):
    """Lower goes first. A safety request waits for at most one request in flight."""

    SAFETY = 0
    CONTROL = 1
    LIFECYCLE = 2
    TELEMETRY = 3
    INVENTORY = 4


Payload = dict[str, Any]
SettingValue = str | int | float | bool | tuple[str, ...] | None
Repair = Callable[[str, Payload], Payload]
"""A quirk: (uri, payload) -> repaired payload. Pure; the same object if nothing is wrong."""


class Reads(Protocol):
    """Reading one device through its lane. URIs are as the device gives them ("/redfish/v1/...").

    `get` raises `DeviceSilent`, `DeviceRefused` or `DeviceLied`. With `fresh_s` > 0 an answer not
    older than that may come from the lane's cache. `members` reads a collection whole: it follows
    `Members@odata.nextLink`, uses `$expand` only where it was proved lossless, and yields each
    member's payload; a member that cannot be read is passed to `on_gap(uri, reason)` and skipped.
    """

    @property
    def address(self) -> str: ...

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer: ...

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]: ...


class Writes(Reads, Protocol):
    """Reading and writing one device through its lane, at one priority.

    A write is sent once and never repeated; what it may have changed is read afresh afterwards.
    Raises as `get` does; after `DeviceSilent` nobody knows whether it took effect, so the caller
    reads. `push` POSTs an image as it is read from disk, whatever its size.
    """

    async def write(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        if_match: str | None = None,
        deadline_s: float | None = None,
    ) -> Answer: ...

    async def push(
        self, uri: str, upload: Upload, *, deadline_s: float | None = None
    ) -> Answer: ...


class DeviceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a device, whatever the channel. `event_id` may repeat; `dedup` does not.
    `stream_id` is where a broken stream can be resumed from. A metric report is one with `metrics`:
    property URIs and the values that it tells, as text ("" for none)."""

    dedup: str
    message: str
    severity: str
    message_id: str | None = None
    origin: str | None = None
    created: str | None = None
    event_id: str | None = None
    stream_id: str | None = None
    metrics: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class Identifies(Protocol):
    """Finds out what answers at an address. Reads the service root and little more."""

    async def identify(self, device: Reads) -> Mapping[str, str]: ...


@runtime_checkable
class ReadsInventory(Protocol):
    async def inventory(self, device: Reads) -> Report:
        """Everything slow: assets, components, readings, firmware, limits, capabilities.

        Never raises for a part that fails: the part's URI and reason stand in `Report.partial`.
        Raises only when the service root itself cannot be read.
        """
        ...


@runtime_checkable
class ReadsHot(Protocol):
    async def hot(self, device: Reads, last: Report) -> HotUpdate:
        """Power state, health, power, temperatures and leaks of the last report's assets."""
        ...


@runtime_checkable
class KnowsAgain(Protocol):
    async def unlike(self, device: Reads, last: Report) -> str:
        """In what a device is not that of the last report; "" where in nothing that it tells. A
        few requests, for one that this process has not read itself."""
        ...


@runtime_checkable
class ReadsAlert(Protocol):
    async def alert(self, device: Reads, last: Report) -> Sequence[Reading]:
        """Leaks and coolant of the last report's assets, without what could not be read."""
        ...


@runtime_checkable
class ReadsLogs(Protocol):
    async def logs(self, device: Reads, *, since: str | None, limit: int) -> Sequence[LogEntry]:
        """Entries newer than the entry whose URI is `since` (None: the newest `limit`)."""
        ...


@runtime_checkable
class StreamsEvents(Protocol):
    def events(self, device: Reads, *, last_event_id: str | None) -> AsyncIterator[DeviceEvent]:
        """Events by SSE; ends when the stream does. `DeviceRefused` where none is offered."""
        ...


# --- attesting ----------------------------------------------------------------------------------


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What a component signed, as bytes, and what the controller says of it (`claimed`). `at` is
    our receive time, None where it was not noted."""

    measurements: bytes
    claimed: Mapping[str, str] = {}
    at: float | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question that was sent, at our receive time of its first answer: answered already, or
    become a task, which is looked at until it is over."""

    at: float
    signed: Signed | None = None
    task: str | None = None
    monitor: str | None = None


@runtime_checkable
class GivesEvidence(Protocol):
    """Carries questions to components that can attest. Asking is a POST that changes nothing at
    the device; nothing of what it says is judged here."""

    async def ask_signed(
        self, device: Writes, attester: Attester, question: Question, *, chain: bytes = b""
    ) -> Asked:
        """`chain` (PEM, the signer's own first) tells how a TPM's key signs."""
        ...

    async def read_signed(self, device: Reads, asked: Asked) -> Signed | None:
        """None while the task runs. `DeviceLied` where what came holds no measurements."""
        ...

    async def read_shown(self, device: Reads, attester: Attester) -> Shown:
        """Chains, boot events, Secure Boot's keys, by GET alone. Raises only `DeviceSilent`."""
        ...


# --- consoles -----------------------------------------------------------------------------------


class SerialLine(Protocol):
    """A host's serial line that is open. What is not read yet waits at the device: whoever reads
    slowly is waited for, and nothing is lost. `shown` is what the device proved itself by, where
    that is to be pinned ("": by its certificate, or by knowing the password)."""

    @property
    def shown(self) -> str: ...

    async def read(self) -> bytes:
        """What it says next; b"" at its end. Raises `DeviceSilent` where it was cut."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def aclose(self) -> None: ...


class ConsoleTrust(msgspec.Struct, frozen=True, kw_only=True):
    """How the far end is judged: `tls` for a WebSocket, `host_key` ("SHA256:...") for SSH. Where
    none is known yet, `first` takes the one that is shown."""

    tls: Trust = Trust()
    host_key: str | None = None
    first: bool = False


@runtime_checkable
class OpensConsole(Protocol):
    """A line is not asked for through the lane: it stays open for days, and costs the controller
    no request. What is said of it is read through the lane, so that a login that is refused
    there is not tried here."""

    async def read_console(self, device: Reads, systems: Sequence[str]) -> ConsoleFacts:
        """What the hosts at these URIs, or their managers, say of a console."""
        ...

    async def open_console(
        self, way: ConsoleWay, *, address: str, credential: Credential, trust: ConsoleTrust
    ) -> SerialLine:
        """Raises `DeviceSilent`, `DeviceRefused` (ConsoleLoginRefused, ConsoleBusy), `DeviceLied`
        (it speaks something else), `Unverified` (UnknownHostKey and the like). Nothing is tried
        twice and no other way is taken."""
        ...


# --- writing ------------------------------------------------------------------------------------


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """That a device took a write. `at` is our receive time (seconds since 1970); `task` is the
    Task to ask for (never its monitor), None where there is none; `message` is the device's own
    word. `already_so`: it refused because that is how it is, or there was nothing to change."""

    method: str
    uri: str
    status: int
    at: float
    task: str | None = None
    etag: str | None = None
    message: str = ""
    already_so: bool = False


@runtime_checkable
class SetsPower(Protocol):
    async def set_power(self, device: Writes, uri: str, reset: str) -> Receipt:
        """`reset` is a Redfish ResetType ("On", "ForceOff", "GracefulShutdown", "ForceRestart",
        "PowerCycle" ...) of the system, chassis, outlet or circuit at `uri`; "On" is also asked
        as ForceOn where only that is offered, and never a milder word as a harsher one."""
        ...


class PowerCap(msgspec.Struct, frozen=True, kw_only=True):
    """A cap as it was read. `watts` is what is in force (None: nothing caps). `floor_w` is what
    it falls back to after a restart, None where that is not told; `lent` where the cap in force
    ends by itself with the host's next start."""

    watts: float | None
    enabled: bool | None
    at: float
    floor_w: float | None = None
    lent: bool = False


@runtime_checkable
class CapsPower(Protocol):
    """`uri` is that of a `PowerLimit`, whatever the dialect."""

    async def read_cap(self, device: Reads, uri: str) -> PowerCap:
        """Read afresh. `DeviceRefused` where there is no cap at the URI."""
        ...

    async def set_cap(
        self, device: Writes, uri: str, watts: float, *, insist: bool = False
    ) -> Receipt:
        """Set it, and switch it on if it is off; only lent where the device can lend. Watts that
        the device does not take are refused by it, never bent. `insist`: whatever somebody else
        changed there meanwhile."""
        ...

    async def set_floor(self, device: Writes, uri: str, watts: float) -> Receipt | None:
        """What the cap falls back to by itself. None where the device has no place for it: there
        the last cap stays."""
        ...


class SmoothingWish(msgspec.Struct, frozen=True, kw_only=True):
    """A profile by which a GPU shall smooth its power: `floor_pct` of the power of its module while
    there is work and `hold_s` after it, watts a second up and down."""

    floor_pct: float
    up_w_s: float
    down_w_s: float
    hold_s: float


class Smoothed(msgspec.Struct, frozen=True, kw_only=True):
    """How a GPU smooths, as it was read; None is not told. `left_pct` is what is left of the life
    of what does it."""

    enabled: bool | None
    floor_pct: float | None
    up_w_s: float | None
    down_w_s: float | None
    hold_s: float | None
    left_pct: float | None = None

    def is_as(self, wish: SmoothingWish) -> bool:
        """Whether this profile is the one in force, on or off."""
        told = (self.floor_pct, self.up_w_s, self.down_w_s, self.hold_s)
        wished = (wish.floor_pct, wish.up_w_s, wish.down_w_s, wish.hold_s)
        return all(a is not None and abs(a - b) <= 0.5 for a, b in zip(told, wished, strict=True))


@runtime_checkable
class SmoothsPower(Protocol):
    """Found by what a Processor says, whoever built the machine around it."""

    def place(self, processor: Payload) -> str | None:
        """Where this processor's smoothing stands; None: it has none. Pure."""
        ...

    async def read_smoothing(self, device: Reads, uri: str) -> Smoothed: ...

    async def set_smoothing(self, device: Writes, uri: str, wish: SmoothingWish | None) -> Smoothed:
        """Smooth so (None: not at all), and what is read afterwards. `DeviceRefused` where the
        device does not take it."""
        ...


@runtime_checkable
class ResetsManager(Protocol):
    async def reset_manager(self, device: Writes, uri: str, reset: str | None = None) -> Receipt:
        """Restart the manager at `uri`: gracefully where that is offered (`reset` None)."""
        ...


@runtime_checkable
class SwitchesBank(Protocol):
    async def next_version(self, device: Reads, manager: str) -> str | None:
        """The version of the image that the manager at this URI boots at its next reset; None
        where it does not say."""
        ...

    async def switch_bank(self, device: Writes, manager: str, version: str) -> Receipt:
        """Boot the bank that holds this version from the next reset on (DSP0268, Manager,
        Links.ActiveSoftwareImage). Raises `OperatorMust` where none does."""
        ...


How = Literal["simple", "push", "multipart"]


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A firmware image. `uri` is where the device can fetch it, `path` where we can read it; at
    least one is needed. With a `sha256` (hex) the file is checked before it is sent."""

    name: str
    path: str | None = None
    uri: str | None = None
    sha256: str | None = None


@runtime_checkable
class UpdatesFirmware(Protocol):
    async def update(
        self,
        device: Writes,
        image: Image,
        targets: Sequence[str] = (),
        *,
        how: How | None = None,
        apply_time: str | None = None,
        force: bool | None = None,
        oem: Payload | None = None,
    ) -> Receipt:
        """Hand over an image for the inventory entries or parts `targets` (none: whatever fits).
        `how` None takes what the device offers: multipart, then push, then a URI. `apply_time`
        is an OperationApplyTime ("Immediate", "OnReset", "OnStartUpdateRequest"), None the
        device's habit; `oem` becomes OemParameters of a multipart push."""
        ...

    async def progress(self, device: Reads, receipt: Receipt) -> Progress:
        """What the controller says of the update's task, once. `gone` where there is none any
        more: that is no verdict, inventory decides."""
        ...

    async def activate(self, device: Writes) -> Receipt | None:
        """Start what was handed over for `OnStartUpdateRequest`; None where the device offers no
        such action and a reset activates."""
        ...


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """What became of settings: names that were taken, and names that were refused with what was
    said of each. `waits` where they take effect at the next start."""

    receipt: Receipt
    accepted: tuple[str, ...]
    refused: Mapping[str, str] = {}
    waits: bool = True


@runtime_checkable
class WritesSettings(Protocol):
    async def write_settings(
        self,
        device: Writes,
        system: str,
        attributes: Mapping[str, str | int | float | bool | None],
        *,
        apply_time: str | None = None,
    ) -> Staged:
        """Stage BIOS attributes of the host at `system`. Where all are refused `DeviceRefused`
        is raised (`PropertiesRefused` names them)."""
        ...

    async def clear_pending(self, device: Writes, system: str) -> Receipt | None:
        """Take back what is staged and not yet applied; None where nothing is."""
        ...


@runtime_checkable
class SetsManager(Protocol):
    async def set_manager(
        self, device: Writes, name: str, value: SettingValue, *, uri: str
    ) -> Receipt:
        """Write one `ManagerSetting` by its name, at the URI where its fact stands."""
        ...


@runtime_checkable
class SetsBoot(Protocol):
    async def set_boot(
        self,
        device: Writes,
        system: str,
        *,
        target: str | None = None,
        enabled: str | None = None,
        mode: str | None = None,
        uefi_target: str | None = None,
        http_uri: str | None = None,
    ) -> Receipt:
        """The boot override, in one write: BootSourceOverrideTarget ("Pxe", "Hdd", "None" ...),
        -Enabled ("Once", "Continuous", "Disabled"), -Mode ("UEFI", "Legacy"); for "UefiHttp" the
        HttpBootUri, else DHCP says what is fetched."""
        ...

    async def set_boot_order(
        self, device: Writes, system: str, order: Sequence[str]
    ) -> Receipt: ...

    async def set_secure_boot(self, device: Writes, system: str, *, enabled: bool) -> Receipt:
        """Takes effect at the next start."""
        ...

    async def set_power_restore(self, device: Writes, system: str, policy: str) -> Receipt:
        """PowerRestorePolicy: "AlwaysOn", "AlwaysOff" or "LastState"."""
        ...


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the controller shows it; what it does not say is None."""

    uri: str
    user: str
    role: str | None = None
    enabled: bool | None = None
    locked: bool | None = None
    must_change: bool | None = None


@runtime_checkable
class RotatesCredentials(Protocol):
    """No error, receipt or log holds a password, whatever the device repeats. Nothing here logs
    in, so nothing here can lock an account."""

    async def accounts(self, device: Reads) -> tuple[Account, ...]: ...

    async def account_policy(self, device: Reads) -> AccountPolicy:
        """What it says of lock-outs and of the lengths of passwords."""
        ...

    async def set_password(self, device: Writes, account: str, new: str) -> Receipt:
        """`OperatorMust` where `new` is shorter or longer than the service allows."""
        ...

    async def create_account(
        self, device: Writes, user: str, password: str, *, role: str = "Administrator"
    ) -> Receipt:
        """A new, enabled account; in a free slot where the controller has slots. The receipt's
        `uri` is the account."""
        ...

    async def delete_account(self, device: Writes, account: str) -> Receipt: ...


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Who a certificate is for (CertificateService.GenerateCSR). Controllers want every field
    but the alternative names; `country` is two letters. `key` is a KeyPairAlgorithm and `curve`
    a KeyCurveId (None: the device's habit)."""

    common_name: str
    organization: str
    unit: str
    city: str
    state: str
    country: str
    alternative_names: tuple[str, ...] = ()
    key: str | None = None
    curve: str | None = None


class SigningRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A CSR (PEM, PKCS#10) whose key never leaves the device. `collection` is where the
    certificate belongs."""

    pem: str
    collection: str


@runtime_checkable
class RenewsCertificates(Protocol):
    async def request_certificate(
        self, device: Writes, collection: str, subject: Subject
    ) -> SigningRequest:
        """`DeviceLied` where no request comes back, or one that does not verify."""
        ...

    async def replace_certificate(self, device: Writes, uri: str, pem: str) -> Receipt:
        """`uri` is the certificate to replace, or a collection to add one to. `pem` may be a
        chain, the device's own first. What is served afterwards is the caller's to read."""
        ...
