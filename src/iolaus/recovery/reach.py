"""What a node's silence means, judged over all paths to it. Pure.

The rules, the first that applies. Whoever is disproved is compromised, however well it answers. A
silent controller is not blamed before we, the rack and the switch are out of question: a rack of
which nearly all are silent is one finding, and its nodes are not restarted one by one. Then power
tells: an outlet without watts is no dead controller, and a host that is alive or draws watts is no
lost power. What cannot be told apart is said to be so.

`Share`s count whole racks, switches and the hall; unknown counts neither way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from iolaus.model.reach import (
    Around,
    Controller,
    HostSight,
    Judgement,
    NodeSight,
    OutletSight,
    Path,
    Share,
    Verdict,
    Way,
)

RACK_LEAST: Final = 3
RACK_SHARE: Final = 0.5
"""So many, and this share of those of which something is known: then it is the rack."""
SWITCH_LEAST: Final = 2
"""So many, and all of them, where the switch is silent as well: that is a witness more."""
HALL_LEAST: Final = 8
HALL_SHARE: Final = 0.6
DRAWS_W: Final = 5.0
"""Less than this an idle outlet shows by its meter's noise."""
HALL: Final = "hall"
_GOOD: Final = {Controller.SILENT: False, Controller.REFUSES: False, Controller.HALF: False}
_ANSWERED: Final = frozenset(
    {Controller.ANSWERS, Controller.REFUSES, Controller.CROWDED, Controller.HALF}
)
NEXT: Final[Mapping[Verdict, str]] = {
    Verdict.WELL: "nothing.",
    Verdict.HOST_OFF: "if it should run: iolaus power on {name}",
    Verdict.HOST_HUNG: "save its console and crash dump and restart it: iolaus recover {name}",
    Verdict.HOST_PATH_DEAD: "restart its controller: iolaus recover {name}",
    Verdict.CONTROLLER_DEAD: "drain its host, then: iolaus recover {name}",
    Verdict.LOGIN_LOST: "give its login: iolaus credential add, or iolaus recover {name}",
    Verdict.SESSIONS_FULL: "close the sessions that nobody uses: iolaus recover {name}",
    Verdict.UPDATE_WEDGED: "restart its controller: iolaus recover {name}",
    Verdict.FIRMWARE_BROKEN: "boot the other bank: iolaus recover {name}",
    Verdict.POWER_GONE: "look at the outlet and its breaker; if it is switched: "
    "iolaus recover {name}",
    Verdict.NODE_SILENT: "look whether its outlet carries power, then: iolaus recover {name}",
    Verdict.SUPPLY_FAILED: "replace the supply; the node runs on the others meanwhile.",
    Verdict.RACK_NETWORK: "see to the rack's management switch and its uplink; leave its nodes.",
    Verdict.SWITCH_SILENT: "see to switch {switch}: its power and its uplink; leave its nodes.",
    Verdict.RACK_POWER: "see to the rack's feed, breaker and shelves; leave its nodes.",
    Verdict.RACK_SILENT: "look at the rack: its switch, then its power; leave its nodes.",
    Verdict.CUT_OFF: "check this server's network and its route to the management network.",
    Verdict.COMPROMISED: "keep it from running: iolaus recover {name}; then look into it.",
    Verdict.UNKNOWN: "wait for the next poll, or label its outlets, rack and switch "
    "(docs/recovery.md).",
}


def judge(seen: NodeSight, around: Around) -> Judgement:
    """What is the matter with a node, with the evidence of every path."""
    verdict, why = _judged(seen, around)
    return Judgement(
        verdict=verdict,
        finding=_finding(verdict, seen),
        why=why,
        next_step=NEXT[verdict].format(name=seen.name, switch=seen.switch),
        evidence=tuple(_paths(seen, around)),
    )


def judge_all(every: Iterable[NodeSight], *, ourselves: bool | None = None) -> dict[str, Judgement]:
    """The whole hall, by uid: each node among its neighbours."""
    nodes = list(every)
    racks, switches = _shares(nodes, "rack"), _shares(nodes, "switch")
    hall = _share(nodes)
    return {
        node.uid: judge(
            node,
            Around(
                rack=racks.get(node.rack, Share()),
                switch=switches.get(node.switch, Share()),
                hall=hall,
                ourselves=ourselves,
            ),
        )
        for node in nodes
    }


# --- the rules --------------------------------------------------------------------------------


def _judged(seen: NodeSight, around: Around) -> tuple[Verdict, str]:
    if seen.attested is False:
        return Verdict.COMPROMISED, "what it runs was disproved, whatever it says of itself"
    if seen.controller is Controller.SILENT:
        return _silent(seen, around)
    if seen.controller is Controller.UNKNOWN:
        return Verdict.UNKNOWN, seen.said or "its controller has not been tried yet"
    return _answering(seen)


def _silent(seen: NodeSight, around: Around) -> tuple[Verdict, str]:
    if around.ourselves is False or _most(around.hall, HALL_LEAST, HALL_SHARE):
        told = f"{around.hall.silent} of {around.hall.known} controllers are silent"
        return Verdict.CUT_OFF, "our own way out is gone" if around.ourselves is False else told
    behind = around.switch
    if seen.gate is False and behind.silent >= SWITCH_LEAST and not behind.answering:
        return _behind(seen, around)
    if _most(around.rack, RACK_LEAST, RACK_SHARE):
        return _rack(around.rack, "rack", seen.rack, seen)
    if _most(behind, RACK_LEAST, RACK_SHARE):
        return _rack(msgspec.structs.replace(behind, power=True), "switch", seen.switch, seen)
    return _alone(seen, around)


def _behind(seen: NodeSight, around: Around) -> tuple[Verdict, str]:
    """All behind a switch are silent, and so is the switch: unless the rack has no power, it is
    the switch."""
    dark = around.rack if around.rack.power is False else around.switch
    if dark.power is False and not dark.alive:
        return _rack(dark, "rack", seen.rack, seen)
    told = f"all {around.switch.silent} controllers behind switch {seen.switch} are silent"
    return Verdict.SWITCH_SILENT, f"{told}, and so is the switch itself"


def _rack(share: Share, word: str, name: str, seen: NodeSight) -> tuple[Verdict, str]:
    told = f"{share.silent} of {share.known} controllers at {word} {name} are silent"
    if seen.gate is True:
        told = f"{told}; its switch {seen.switch} answers"
    if share.alive or share.power is True:
        return Verdict.RACK_NETWORK, f"{told}, and there is power"
    if share.power is False:
        return Verdict.RACK_POWER, f"{told}, and no power flows"
    return Verdict.RACK_SILENT, f"{told}; whether power flows is not known"


def _alone(seen: NodeSight, around: Around) -> tuple[Verdict, str]:
    if fed(seen.outlets) is False and seen.host.alive is not True:
        off = all(each.on is False for each in seen.outlets)
        return Verdict.POWER_GONE, "its outlets are off" if off else "its outlets carry no power"
    if seen.host.alive is True:
        return Verdict.CONTROLLER_DEAD, "its host is alive, and its controller is silent"
    if fed(seen.outlets) is True:
        return Verdict.CONTROLLER_DEAD, "its outlets carry power, and its controller is silent"
    if _heard(around) or around.ourselves is True or True in seen.beside.values():
        return Verdict.NODE_SILENT, "others answer, and nothing tells whether it has power"
    return Verdict.UNKNOWN, "it is silent, and no other path tells why"


def _answering(seen: NodeSight) -> tuple[Verdict, str]:
    if seen.controller is Controller.REFUSES:
        return Verdict.LOGIN_LOST, seen.said or "its controller refuses our login"
    if seen.controller is Controller.CROWDED:
        return Verdict.SESSIONS_FULL, seen.said or "its controller has no session to give"
    if seen.broken:
        return Verdict.FIRMWARE_BROKEN, f"firmware is broken: {', '.join(seen.broken)}"
    if seen.wedged:
        return Verdict.UPDATE_WEDGED, f"an update does not end: {seen.wedged}"
    if seen.controller is Controller.HALF:
        return Verdict.HOST_PATH_DEAD, seen.said or "its controller cannot see its host"
    if seen.on is False:
        return Verdict.HOST_OFF, "its host is off"
    if seen.host.alive is False:
        return Verdict.HOST_HUNG, f"its host has power and is silent: {_said(seen.host)}"
    if seen.supplies:
        return Verdict.SUPPLY_FAILED, f"a supply failed: {', '.join(seen.supplies)}"
    told = "its host is alive" if seen.host.alive else "of its host nothing else tells"
    return Verdict.WELL, f"its controller answers; {told}"


def _most(share: Share, least: int, part: float) -> bool:
    return share.silent >= least and share.silent >= part * share.known


def _heard(around: Around) -> bool:
    return bool(around.rack.answering or around.switch.answering)


def fed(outlets: Iterable[OutletSight]) -> bool | None:
    """Whether power flows to it: any watts are enough, and none must be left unknown for no."""
    found = [_flows(each) for each in outlets]
    if any(found):
        return True
    return False if found and None not in found else None


def _flows(outlet: OutletSight) -> bool | None:
    if outlet.on is False:
        return False
    return None if outlet.watts is None else outlet.watts >= DRAWS_W


def _finding(verdict: Verdict, seen: NodeSight) -> str:
    if verdict is Verdict.CUT_OFF:
        return HALL
    if verdict is Verdict.SWITCH_SILENT:
        return f"switch/{seen.switch}"
    if verdict.of_many:
        return f"rack/{seen.rack}" if seen.rack else f"switch/{seen.switch}"
    return f"node/{seen.uid}"


# --- counting ---------------------------------------------------------------------------------


def _shares(nodes: Iterable[NodeSight], by: str) -> dict[str, Share]:
    found: dict[str, list[NodeSight]] = defaultdict(list)
    for node in nodes:
        if place := getattr(node, by):
            found[place].append(node)
    return {place: _share(members) for place, members in found.items()}


def _share(nodes: Iterable[NodeSight]) -> Share:
    held = list(nodes)
    flows = [fed(each.outlets) for each in held]
    power = True if any(flows) else False if flows and None not in flows else None
    return Share(
        silent=sum(each.controller is Controller.SILENT for each in held),
        answering=sum(each.controller in _ANSWERED for each in held),
        alive=sum(each.host.alive is True for each in held),
        power=power,
    )


# --- evidence ---------------------------------------------------------------------------------


def _paths(seen: NodeSight, around: Around) -> Iterator[Path]:
    unclear = seen.controller is Controller.UNKNOWN
    yield Path(
        way=Way.CONTROLLER,
        subject=seen.name,
        good=None if unclear else _GOOD.get(seen.controller, True),
        detail=seen.said or seen.controller.value,
        at=seen.at,
    )
    for name, good in seen.beside.items():
        yield Path(way=Way.BESIDE, subject=name, good=good, detail=_word(good))
    for each in seen.outlets:
        yield Path(
            way=Way.OUTLET, subject=each.name, good=_flows(each), detail=_draws(each), at=each.at
        )
    if seen.host.source:
        yield Path(
            way=Way.HOST,
            subject=seen.host.source,
            good=seen.host.alive,
            detail=_said(seen.host),
            at=seen.host.at,
        )
    if seen.attested is not None:
        told = "proved what it runs" if seen.attested else "disproved"
        yield Path(way=Way.PROOF, subject=seen.name, good=seen.attested, detail=told)
    for way, name, share in (
        (Way.RACK, seen.rack, around.rack),
        (Way.SWITCH, seen.switch, around.switch),
    ):
        if name:
            detail = f"{share.answering} of {share.known} controllers answer"
            good = share.answering > 0 if share.known else None
            if way is Way.SWITCH and seen.gate is not None:
                detail = f"{detail}; itself it {'answers' if seen.gate else 'is silent'}"
            yield Path(way=way, subject=name, good=good, detail=detail)
    if around.ourselves is not None:
        told = "our way out works" if around.ourselves else "our way out is gone"
        yield Path(way=Way.OURSELVES, subject="gateway", good=around.ourselves, detail=told)


def _word(good: bool | None) -> str:
    return "not known" if good is None else "answers" if good else "silent"


def _draws(outlet: OutletSight) -> str:
    """What the picture holds is mostly its watts alone."""
    state = {True: "on", False: "off", None: ""}[outlet.on]
    watts = "" if outlet.watts is None else f"{outlet.watts:.0f} W"
    return ", ".join(word for word in (state, watts) if word) or "not known"


def _said(host: HostSight) -> str:
    word = {True: "alive", False: "silent", None: "not known"}[host.alive]
    tail = f" ({host.detail})" if host.detail else ""
    return f"{host.source or 'nobody'} says {word}{tail}"
