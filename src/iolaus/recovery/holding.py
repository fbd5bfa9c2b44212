"""Whether a machine that is to stay off is off, and what tells a person that it is not. Pure.

Its controller is one witness, and no good one where what runs was disproved; its outlets are the
other. What a person reads names both, because what is to be done by hand depends on which of the
two is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from iolaus.model.reach import Controller, NodeSight, OutletSight

_LIES: Final = "what it runs was disproved"


def state_of(outlets: Sequence[OutletSight]) -> str | None:
    """On or Off where all are, Mixed where they differ; None where any cannot be read."""
    found = {each.on for each in outlets}
    if not found or None in found:
        return None
    return "Mixed" if len(found) > 1 else "On" if True in found else "Off"


def dark(outlets: Sequence[OutletSight]) -> bool:
    """All its outlets are known, and off."""
    return state_of(outlets) == "Off"


def held_off(seen: NodeSight) -> bool:
    """Its host is off, or all its outlets are."""
    return dark(seen.outlets) or (seen.controller is Controller.ANSWERS and seen.on is False)


def not_held(seen: NodeSight) -> str:
    """Why it is not held off, and by whom it can be."""
    told = f"{_host(seen)}; {outlets_said(seen.outlets)}"
    cords = "its cords" if not seen.outlets else f"its cords at {_names(seen.outlets)}"
    return f"{told}. A person is needed: pull {cords} and its network by hand, because {_LIES}"


def outlets_said(outlets: Sequence[OutletSight]) -> str:
    """Each with its state, those of one state together."""
    if not outlets:
        return "which outlets feed it nobody wrote (its label outlets)"
    words = {True: "on", False: "off", None: "not to be read"}
    by = {word: [o for o in outlets if o.on is on] for on, word in words.items()}
    return ", ".join(
        f"outlet{'s' * (len(found) > 1)} {_names(found)} {'are' if len(found) > 1 else 'is'} {word}"
        for word, found in by.items()
        if found
    )


def _host(seen: NodeSight) -> str:
    if seen.controller is Controller.ANSWERS and seen.on:
        return "its host was cut off, and its controller says that it runs"
    said = seen.said or f"its controller: {seen.controller.value}"
    return f"whether its host runs is not known ({said})"


def _names(outlets: Iterable[OutletSight]) -> str:
    return " and ".join(each.name for each in outlets)
