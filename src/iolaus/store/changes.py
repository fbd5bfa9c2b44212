"""What changed between two readings of one asset: history rows, and the events worth telling.

Pure. A value that became unknown is not a change: a BMC that lists its drives only while the host
is on would otherwise lose and find them at every reboot. So what was last *known* is carried
along (`Carry`) and the next known value is compared with that. Likewise a component is removed
only when a reading that could have shown it did not.
"""

from __future__ import annotations

import msgspec


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of history. `asset` is the asset's uid; `field` a dotted word ("power_state",
    "firmware", "serial", "counts.gpu", "bios.<name>", "component" for one that came or went).
    `before` and `after` are text; None means that there was nothing. `source` is a URI."""

    at: float
    endpoint: str
    asset: str | None
    component: str | None
    field: str
    before: str | None
    after: str | None
    source: str = ""
