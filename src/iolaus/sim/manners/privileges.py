"""Who may do what on a device, after the registry of operations and privileges (DSP0266, 13.4).

The registry says it by type of resource; here the place says the type. A role's privileges are
those its Role resource assigns, so a custom role counts; a device without roles knows the three
standard ones by name. Everyone who has logged in may read. Whoever must change a password may do
that, and nothing else, until it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import ROOT, canonical, target_of

if TYPE_CHECKING:
    from iolaus.sim.device import Device

WRITES: Final = frozenset({"PATCH", "POST", "DELETE", "PUT"})
MANAGER, USERS, COMPONENTS, SELF = (
    "ConfigureManager",
    "ConfigureUsers",
    "ConfigureComponents",
    "ConfigureSelf",
)
EVERYTHING: Final = frozenset({"Login", MANAGER, USERS, COMPONENTS, SELF})
STANDARD: Final[Mapping[str, frozenset[str]]] = {
    "Operator": frozenset({"Login", COMPONENTS, SELF}),
    "ReadOnly": frozenset({"Login", SELF}),
    "Auditor": frozenset({"Login", SELF}),
}
OF_MANAGERS: Final = ("Managers", "CertificateService", "SessionService", "TaskService", "Tasks")
OF_BOTH: Final = ("EventService", "TelemetryService")


def barred(device: Device, user: str, method: str, path: str) -> Outcome | None:
    """Why `user` may not do this; None if nothing stands against it."""
    account = device.gate.accounts.get(user)
    if account is not None and account.must_change:
        return None if _is_way_out(device, user, method, path) else must_change(device, user)
    if method not in WRITES:
        return None
    held = privileges_of(device, user)
    return None if held & needed(device, user, path) else refused(403, "InsufficientPrivilege")


def privileges_of(device: Device, user: str) -> frozenset[str]:
    account = device.gate.accounts.get(user)
    if account is None:
        return frozenset()
    if account.role == "Administrator":
        return EVERYTHING
    role = device.kept(f"{account_service(device)}/Roles/{account.role}") or {}
    assigned = role.get("AssignedPrivileges")
    if isinstance(assigned, list):
        return frozenset(str(each) for each in assigned)
    return STANDARD.get(account.role, EVERYTHING)


def needed(device: Device, user: str, path: str) -> frozenset[str]:
    """Any of these privileges is enough to write at `path`."""
    if path.startswith(f"{device.gate.collection}/"):
        own = (device.kept(path) or {}).get("UserName") == user
        return frozenset({MANAGER, SELF} if own else {MANAGER})
    if path.startswith(account_service(device)):
        return frozenset({USERS, SELF} if path == account_of(device, user) else {USERS})
    place = path.removeprefix(f"{ROOT}/").partition("/")[0]
    if place in OF_BOTH:
        return frozenset({MANAGER, COMPONENTS})
    return frozenset({MANAGER if place in OF_MANAGERS or "/LogServices/" in path else COMPONENTS})


def account_service(device: Device) -> str:
    place = target_of(device.kept(ROOT) or {}, "AccountService")
    return canonical(place or f"{ROOT}/AccountService")


def accounts_of(device: Device) -> str:
    """The collection of accounts."""
    service = account_service(device)
    place = target_of(device.kept(service) or {}, "Accounts")
    return canonical(place or f"{service}/Accounts")


def account_of(device: Device, user: str) -> str:
    """The account resource of `user`; "" if the device shows none."""
    for member in (device.kept(accounts_of(device)) or {}).get("Members") or ():
        path = canonical(str(member.get("@odata.id", "")))
        if (device.kept(path) or {}).get("UserName") == user:
            return path
    return ""


def must_change(device: Device, user: str) -> Outcome:
    return refused(403, "PasswordChangeRequired", account_of(device, user))


def _is_way_out(device: Device, user: str, method: str, path: str) -> bool:
    if path == account_of(device, user):
        return method in ("GET", "HEAD", "PATCH")
    return method == "DELETE" and path.startswith(f"{device.gate.collection}/")
