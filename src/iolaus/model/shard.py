"""How a hall is shared out: by rows and racks, never by halves of them.

What hangs together stays together: a coolant unit and the racks of its row are watched by one edge,
so that a leak found by the one can cut the power of the others with nothing in between. Pure.
"""

from __future__ import annotations

import zlib
from typing import Final

from iolaus.model.endpoint import Target

SHARDS: Final = 64
"""Of one site. A number that changes moves everything."""
SITE: Final = "main"
"""The site of whatever has no label `site`."""


def site_of(target: Target) -> str:
    return target.labels.get("site") or SITE


def site_in(shard: str) -> str:
    """Whose part it is; a site's name may hold dots."""
    return shard.rpartition(".")[0]


def shard_of(target: Target) -> str:
    """`SITE.NN`: by its row, else its rack, else its own address."""
    labels = target.labels
    place = labels.get("row") or labels.get("rack")
    word = f"{labels.get('hall', '')}/{place}" if place else target.address
    return f"{site_of(target)}.{zlib.crc32(word.encode()) % SHARDS:02d}"
