"""Documents of reference values as a shelf: they concern the whole hall, so a scope sees none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from iolaus.kernel.clock import Clock
from iolaus.model.claims import Packages
from iolaus.model.reference import KeptReference
from iolaus.model.select import Selector
from iolaus.north.dto.references import reference_view
from iolaus.north.fleet import Item

Items = Callable[[Selector], AsyncIterator[Item]]


def reference_items(kept: Callable[[], Mapping[str, KeptReference]], clock: Clock) -> Items:
    """By name."""

    async def items(scope: Selector) -> AsyncIterator[Item]:
        found = kept()
        packages = Packages(found.values())
        for name, each in sorted(found.items()):
            if not scope:
                yield Item(
                    name=name,
                    origin=f"reference/{name}",
                    key=(name,),
                    revision=1,
                    view=reference_view(each, now=clock.now(), packages=packages),
                )

    return items
