"""Accounts as a controller keeps them: a policy, a limit, lock-out, and the maker's state.

The engine's gate knows who may come in; this room keeps what is shown of it (`Locked`), refuses
what the policy forbids, and knows the ways back to how the machine left the factory: the action
ResetToDefaults, and a flash that forgets. The last administrator cannot be removed, since that
would be a machine nobody can ever enter again.
"""

from __future__ import annotations

from typing import Any, Final

from iolaus.sim.auth import Account
from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Quiet
from iolaus.sim.manners.privileges import (
    USERS,
    account_of,
    account_service,
    accounts_of,
    privileges_of,
)
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import ROOT, Resource

LIMIT: Final = 15
RESETS: Final = ("ResetAll", "PreserveNetwork", "PreserveNetworkAndUsers")
OF_ACCOUNTS: Final = frozenset(
    {"UserName", "Password", "RoleId", "Enabled", "Locked", "AccountTypes", "Links",
     "PasswordChangeRequired", "PasswordExpiration", "Oem"}
)  # fmt: skip


class Accounts(Quiet):
    """The accounts of one device."""

    __slots__ = ()

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        collection = accounts_of(device)
        if ask.path == collection and ask.method == "POST":
            return _create(device, ask.body)
        if not ask.path.startswith(f"{collection}/") or device.kept(ask.path) is None:
            return None
        if ask.method == "DELETE":
            return _deletion(device, ask.path)
        return _modification(device, ask) if ask.method == "PATCH" else None

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        """The policy of lock-outs follows the AccountService."""
        del before
        if after is not None and "AccountLockoutThreshold" in after:
            gate = device.gate
            gate.lockout_after = int(after["AccountLockoutThreshold"] or 0)
            gate.lockout_s = float(after.get("AccountLockoutDuration") or 0) or 1e9
        del path

    def turned_away(self, device: Device, user: str, *, locked: bool) -> None:
        path = account_of(device, user)
        if not locked or not path:
            return
        device.patch(path, {"Locked": True})
        device.later(device.gate.lockout_s, lambda: _unlock(device, user))

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        del path
        if action != "Manager.ResetToDefaults":
            return None
        kind = body.get("ResetType")
        if kind not in RESETS:
            return refused(400, "ActionParameterMissing", action, "ResetType")
        if kind != "PreserveNetworkAndUsers":
            factory(device)
        if kind == "ResetAll" and device.socket is not None:
            device.socket.reissue()
        device.later(0.05, device.restart)
        return Outcome()

    def flashed(self, device: Device, path: str, *, resets: bool) -> None:
        del path
        if resets:
            factory(device)


def factory(device: Device) -> None:
    """Accounts, policy and services of the controller are as the maker left them. Its logs stay:
    what was written is not unwritten by that, nor what was cleared written again."""
    service = account_service(device)
    keep = (f"{ROOT}/Systems", f"{ROOT}/Chassis", f"{ROOT}/UpdateService", device.tasks.collection)
    device.gate.drop_all()
    device.gate.restore()
    for path in list(device.changed()):
        if path.startswith(service) or not (path.startswith(keep) or "/LogServices/" in path):
            device.forget(path)


def _unlock(device: Device, user: str) -> None:
    account = device.gate.accounts.get(user)
    path = account_of(device, user)
    if account is not None:
        account.locked_until, account.failures = 0.0, 0
    if path:
        device.patch(path, {"Locked": False})


def _create(device: Device, body: Resource) -> Outcome:
    user, password = body.get("UserName"), body.get("Password")
    if not isinstance(user, str) or not isinstance(password, str):
        return refused(400, "PropertyMissing", "Password" if isinstance(user, str) else "UserName")
    if "RoleId" not in body:
        return refused(400, "PropertyMissing", "RoleId")
    if user in device.gate.accounts:
        return refused(400, "ResourceAlreadyExists", "ManagerAccount", "UserName", user)
    if len(device.gate.accounts) >= LIMIT:
        return refused(400, "CreateLimitReachedForResource")
    wrong = _wrong(device, body)
    return wrong if wrong is not None else _made(device, user, password, body)


def _made(device: Device, user: str, password: str, body: Resource) -> Outcome:
    collection, role = accounts_of(device), str(body["RoleId"])
    must = body.get("PasswordChangeRequired") is True
    enabled = body.get("Enabled") is not False
    device.gate.accounts[user] = Account(password, role=role, enabled=enabled, must_change=must)
    path = f"{collection}/{user}"
    resource = device.put(path, {
        "@odata.id": path,
        "@odata.type": "#ManagerAccount.v1_10_0.ManagerAccount",
        "Id": user, "Name": "User Account", "UserName": user, "Password": None,
        "RoleId": role, "Enabled": enabled, "Locked": False, "PasswordChangeRequired": must,
        "AccountTypes": body.get("AccountTypes") or ["Redfish"],
        "Links": {"Role": {"@odata.id": f"{account_service(device)}/Roles/{role}"}},
    })  # fmt: skip
    device.enlist(collection, path)
    return Outcome(status=201, body=resource, headers={"Location": path})


def _modification(device: Device, ask: Ask) -> Outcome | None:
    """None: nothing stands against it, and the engine merges it."""
    held = device.kept(ask.path) or {}
    user = str(held.get("UserName"))
    if USERS not in privileges_of(device, ask.user) and set(ask.body) - {"Password"}:
        return refused(403, "InsufficientPrivilege")
    wrong = _wrong(device, ask.body)
    if wrong is not None:
        return wrong
    demoted = ask.body.get("Enabled") is False or ask.body.get("RoleId", "Administrator") != (
        "Administrator"
    )
    if demoted and _is_last(device, user):
        return refused(400, "ActionNotSupported", "leaving no administrator")
    _follow(device, ask.path, user, ask.body)
    return None


def _follow(device: Device, path: str, user: str, body: Resource) -> None:
    account = device.gate.accounts.get(user)
    if account is None:
        return
    if isinstance(body.get("Password"), str):
        account.must_change = False
        device.patch(path, {"PasswordChangeRequired": False, "Locked": False})
    if body.get("Locked") is False:
        account.locked_until, account.failures = 0.0, 0
    if isinstance(body.get("PasswordChangeRequired"), bool):
        account.must_change = body["PasswordChangeRequired"]
        device.patch(path, {"PasswordChangeRequired": account.must_change})
    renamed = body.get("UserName")
    if isinstance(renamed, str) and renamed != user:
        device.gate.accounts[renamed] = device.gate.accounts.pop(user)
    if isinstance(body.get("RoleId"), str):
        role = f"{account_service(device)}/Roles/{body['RoleId']}"
        device.patch(path, {"Links": {"Role": {"@odata.id": role}}})


def _deletion(device: Device, path: str) -> Outcome | None:
    user = str((device.kept(path) or {}).get("UserName"))
    if _is_last(device, user):
        return refused(400, "ResourceCannotBeDeleted")
    return None


def _is_last(device: Device, user: str) -> bool:
    accounts = device.gate.accounts
    able = [name for name, a in accounts.items() if a.role == "Administrator" and a.enabled]
    return able == [user]


def _wrong(device: Device, body: Resource) -> Outcome | None:
    service = device.kept(account_service(device)) or {}
    for name in body:
        if name not in OF_ACCOUNTS and not name.startswith("@"):
            return refused(400, "PropertyUnknown", name)
    if isinstance(body.get("Password"), str) and not _is_fit(body["Password"], service):
        return refused(400, "PropertyValueFormatError", "********", "Password")
    if body.get("UserName") == "":
        return refused(400, "PropertyValueFormatError", "", "UserName")
    role = body.get("RoleId")
    roles = f"{account_service(device)}/Roles"
    if role is not None and device.kept(roles) and device.kept(f"{roles}/{role}") is None:
        return refused(400, "PropertyValueNotInList", str(role)[:80], "RoleId")
    if body.get("Locked") is True:
        return refused(400, "PropertyValueNotInList", "true", "Locked")
    return None


def _is_fit(password: str, service: Resource) -> bool:
    least, most = _bound(service, "MinPasswordLength", 0), _bound(service, "MaxPasswordLength", 128)
    return least <= len(password) <= most


def _bound(service: Resource, name: str, usual: int) -> int:
    found: Any = service.get(name)
    return found if isinstance(found, int) else usual
