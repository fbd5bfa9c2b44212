"""What may be said of a login without its password, and how many failures may be risked with it.

A controller counts failed logins and locks the account; nobody but a person undoes some of these
locks. So whoever tries a password that may be wrong draws on a small budget: what the controller
says of its threshold leaves a margin of two, at most two failures fall into one window, and of a
controller that says nothing the strictest that is common is supposed.
"""

from __future__ import annotations

from typing import Final

import msgspec

MOST_FAILURES: Final = 2
MARGIN: Final = 2
SUPPOSED_THRESHOLD: Final = 4
"""Of a controller that does not say: common ones lock at three, which two failures do not reach."""
SUPPOSED_WINDOW_S: Final = 3600.0
UNENDING_WINDOW_S: Final = 86_400.0
"""Of a counter that no time resets."""
AMPLE_THRESHOLD: Final = 5
"""From here on one login that is meant to fail leaves ample room."""
ROTATED: Final = "credential/number"
"""Subject of what is read back: how many passwords Iolaus has given."""
OLD: Final = "credential/old"
"""Subject: what became of the old password (`OldPassword`, or why that was not tried)."""
MAY_TRY: Final = "credential/may-try"
"""Subject: whether a login that may fail may be tried; not known while it is held back."""
REFUSED: Final = "refused"
ACCEPTED: Final = "accepted"


class AccountPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a controller's AccountService says (DSP0268, AccountService). `threshold` is how many
    failures lock an account: 0 none ever, None not said. `window_s` is how long a failure counts,
    None not said. Lengths are of passwords, None not said."""

    threshold: int | None = None
    window_s: float | None = None
    shortest: int | None = None
    longest: int | None = None

    @property
    def may_fail(self) -> int:
        """So many logins of ours may fail, each less than `counts_s` after the one before."""
        if self.threshold == 0:
            return MOST_FAILURES
        threshold = SUPPOSED_THRESHOLD if self.threshold is None else self.threshold
        return max(0, min(MOST_FAILURES, threshold - MARGIN))

    @property
    def counts_s(self) -> float:
        return SUPPOSED_WINDOW_S if self.window_s is None else self.window_s


class CredentialFact(msgspec.Struct, frozen=True, kw_only=True):
    """A login as the store knows it, without its secret. `number` counts the passwords that
    Iolaus gave (0: it came from elsewhere), `since` is when the present one was proved (seconds
    since 1970; None: not known). `fallen`: the device takes only another login than the wanted
    one; `pending`: a new password was begun and is neither proved nor given up. `old` is what
    became of the former password ("refused": shown to be dead, or why that was not tried)."""

    user: str
    number: int = 0
    since: float | None = None
    fallen: bool = False
    pending: bool = False
    old: str = ""
