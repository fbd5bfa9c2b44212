"""All that the generic driver writes, in one place: each method hands over to its own file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iolaus.drivers.ports import (
    Account,
    How,
    Image,
    Payload,
    PowerCap,
    Reads,
    Receipt,
    SettingValue,
    SigningRequest,
    Staged,
    Subject,
    Writes,
)
from iolaus.drivers.redfish.write import (
    accounts,
    banks,
    bios,
    boot,
    caps,
    certificates,
    manager,
    power,
    update,
)
from iolaus.drivers.redfish.write.exchange import Mended
from iolaus.model.credential import AccountPolicy
from iolaus.wire.redfish.task import Progress


class Writing:
    """The mutating capabilities of `drivers.ports`. What is read on the way goes through `repair`,
    as an inventory does."""

    def repair(self, uri: str, payload: Payload) -> Payload:
        del uri
        return payload

    def _mended(self, device: Writes) -> Mended:
        return Mended(device, self.repair)

    async def set_power(self, device: Writes, uri: str, reset: str) -> Receipt:
        return await power.set_power(self._mended(device), uri, reset)

    async def read_cap(self, device: Reads, uri: str) -> PowerCap:
        return await caps.read_cap(device, uri)

    async def set_cap(
        self, device: Writes, uri: str, watts: float, *, insist: bool = False
    ) -> Receipt:
        return await caps.set_cap(self._mended(device), uri, watts, insist=insist)

    async def set_floor(self, device: Writes, uri: str, watts: float) -> Receipt | None:
        return await caps.set_floor(self._mended(device), uri, watts)

    async def reset_manager(self, device: Writes, uri: str, reset: str | None = None) -> Receipt:
        return await power.reset_manager(self._mended(device), uri, reset)

    async def next_version(self, device: Reads, manager: str) -> str | None:
        return await banks.next_version(device, manager)

    async def switch_bank(self, device: Writes, manager: str, version: str) -> Receipt:
        return await banks.switch_bank(self._mended(device), manager, version)

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
        return await update.update(
            self._mended(device),
            image,
            targets,
            how=how,
            apply_time=apply_time,
            force=force,
            oem=oem,
        )

    async def apply_times(self, device: Reads) -> tuple[str, ...]:
        return await update.apply_times(device)

    async def progress(self, device: Reads, receipt: Receipt) -> Progress:
        return await update.progress(device, receipt)

    async def activate(self, device: Writes) -> Receipt | None:
        return await update.activate(self._mended(device))

    async def write_settings(
        self,
        device: Writes,
        system: str,
        attributes: Mapping[str, str | int | float | bool | None],
        *,
        apply_time: str | None = None,
    ) -> Staged:
        return await bios.write_settings(
            self._mended(device), system, attributes, apply_time=apply_time
        )

    async def clear_pending(self, device: Writes, system: str) -> Receipt | None:
        return await bios.clear_pending(self._mended(device), system)

    async def set_manager(
        self, device: Writes, name: str, value: SettingValue, *, uri: str
    ) -> Receipt:
        return await manager.set_manager(self._mended(device), name, value, uri=uri)

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
        wish = {
            "BootSourceOverrideTarget": target,
            "BootSourceOverrideEnabled": enabled,
            "BootSourceOverrideMode": mode,
            "UefiTargetBootSourceOverride": uefi_target,
            "HttpBootUri": http_uri,
        }
        return await boot.set_boot(self._mended(device), system, wish)

    async def set_boot_order(self, device: Writes, system: str, order: Sequence[str]) -> Receipt:
        return await boot.set_boot_order(self._mended(device), system, order)

    async def set_secure_boot(self, device: Writes, system: str, *, enabled: bool) -> Receipt:
        return await boot.set_secure_boot(self._mended(device), system, enabled=enabled)

    async def set_power_restore(self, device: Writes, system: str, policy: str) -> Receipt:
        return await boot.set_power_restore(self._mended(device), system, policy)

    async def accounts(self, device: Reads) -> tuple[Account, ...]:
        return await accounts.accounts(device)

    async def account_policy(self, device: Reads) -> AccountPolicy:
        return await accounts.account_policy(device)

    async def set_password(self, device: Writes, account: str, new: str) -> Receipt:
        return await accounts.set_password(self._mended(device), account, new)

    async def create_account(
        self, device: Writes, user: str, password: str, *, role: str = "Administrator"
    ) -> Receipt:
        return await accounts.create_account(self._mended(device), user, password, role=role)

    async def delete_account(self, device: Writes, account: str) -> Receipt:
        return await accounts.delete_account(self._mended(device), account)

    async def request_certificate(
        self, device: Writes, collection: str, subject: Subject
    ) -> SigningRequest:
        return await certificates.request_certificate(self._mended(device), collection, subject)

    async def replace_certificate(self, device: Writes, uri: str, pem: str) -> Receipt:
        return await certificates.replace_certificate(self._mended(device), uri, pem)
