"""A new password: as long as both the device and its oldest door can take, and of every class.

Twenty characters are what IPMI 2.0 keeps of a password (Set User Password), and some controllers
that allow more cut the rest without a word. Letters that people confuse are left out, and of signs
only those stand here that no shell, URL or controller is known to stumble over.
"""

from __future__ import annotations

import secrets
from typing import Final

from iolaus.kernel.errors import OperatorMust
from iolaus.model.credential import AccountPolicy

USUAL: Final = 20
LEAST: Final = 8
CLASSES: Final = ("abcdefghijkmnpqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "-_.")


def length_for(policy: AccountPolicy, *, subject: str) -> int:
    """How long a new password is. Raises `OperatorMust` where the device takes none that is long
    enough to be one."""
    wanted = max(USUAL, policy.shortest or 0)
    length = min(wanted, policy.longest or wanted)
    if length >= max(LEAST, policy.shortest or 0):
        return length
    raise OperatorMust(
        f"it takes passwords of {policy.shortest or 0} to {policy.longest} characters",
        operation="make password",
        subject=subject,
        code="PasswordTooShort",
        next_step=f"let it take {LEAST} or more (AccountService, MaxPasswordLength).",
    )


def make_password(length: int) -> str:
    """Random, with at least one of each class; `length` is at least four."""
    every = "".join(CLASSES)
    while True:
        made = "".join(secrets.choice(every) for _ in range(length))
        if made[0].isalpha() and all(set(made) & set(each) for each in CLASSES):
            return made


def fits(password: str, length: int) -> bool:
    return len(password) == length
