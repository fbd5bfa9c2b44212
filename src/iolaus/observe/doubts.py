"""Which devices may be others than those that were read.

`unmet` are those of which a report is known that this process did not read: it was told of it, or
it read it in another life. A doubt is raised by what a device says and settled by an inventory; one
that says ever something else of itself is doubted again only after a while.
"""

from __future__ import annotations


class Doubts:
    """By address. `again_s` is the least time between two doubts of one device."""

    def __init__(self) -> None:
        self.unmet: set[str] = set()
        self._open: set[str] = set()
        self._since_s: dict[str, float] = {}

    def judge(self, address: str, unlike: str, *, now_s: float, again_s: float) -> bool:
        """In what it was read to be another ("": in nothing). Whether it is to be read whole for
        that now."""
        self.unmet.discard(address)
        if not unlike:
            self._open.discard(address)
            return False
        last_s = self._since_s.get(address, float("-inf"))
        if address in self._open or now_s - last_s < again_s:
            return False
        self._open.add(address)
        self._since_s[address] = now_s
        return True

    def is_open(self, address: str) -> bool:
        """It answered as another, and was not read whole since."""
        return address in self._open

    def settle(self, address: str) -> None:
        """What is known of it is its own."""
        self._open.discard(address)
        self.unmet.discard(address)

    def forget(self, address: str) -> None:
        self.settle(address)
        self._since_s.pop(address, None)
