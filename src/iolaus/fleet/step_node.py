"""Steps that a person asks of a host: power, and what it starts from next.

What ends in a state (on, off, an override) is proved by reading it, and may be sent again. What
leads to what it began with - a restart, a power cycle - is proved by the time of the host's last
start and is sent once: a second one, because the first was slow to show, would take the host down
twice. A device that keeps no such time is cycled in two steps that prove themselves, off and on;
a restart or an interrupt of it counts as done when the device took it, and where a crash leaves
open whether it did, it fails and says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.step import BOOTED, HAS_POWER, REACHABLE, Draft, host_reset, step
from iolaus.fleet.work import HOSTS, Halt
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import Action, Asked, Expect, Fate, NodePlan, Op, Verb

ON, OFF = "On", "Off"
GRACEFUL, FORCE = "graceful", "force"
ACTIONS: Final = ("on", "off", "cycle", "reset", "nmi", "mains")
TELLS_START: Final = "boot.time"
"""The capability of a host that tells when it started last."""
IS_OFF: Final = Expect(subject="power/state", op=Op.IS, value=OFF)
SOON_S: Final = 600.0
_WAYS: Final = ("", GRACEFUL, FORCE)
_FORCED_ONLY: Final = frozenset({"nmi", "mains"})
"""Actions that have no graceful way."""
_SAID: Final = {
    "on": "power on",
    "off": "power off",
    "cycle": "power-cycle",
    "reset": "restart",
    "nmi": "interrupt (NMI)",
    "mains": "take the mains away and give it back",
}
TARGETS: Final = (
    *("None", "Pxe", "Floppy", "Cd", "Usb", "Hdd", "BiosSetup", "Utilities", "Diags"),
    *("UefiShell", "UefiTarget", "SDCard", "UefiHttp", "RemoteDrive", "UefiBootNext", "Recovery"),
)
"""BootSourceOverrideTarget (ComputerSystem schema)."""
ENABLED: Final = ("Disabled", "Once", "Continuous")
MODES: Final = ("UEFI", "Legacy")
_WAITING: Final = frozenset({Verb.DRAIN, Verb.UNDRAIN, Verb.WAIT_HEALTHY})
_OF_CONTROLLER: Final = frozenset({Verb.SET_BOOT, Verb.ROTATE_CREDENTIAL, Verb.RENEW_CERTIFICATE})
_OFFS: Final = ("ForceOff", "GracefulShutdown")
_OVERRIDE: Final = "boot.override."
HTTP: Final = "UefiHttp"
_IS_HTTP: Final = re.compile(r"https?://[^\s/@]+(/\S*)?", re.IGNORECASE)
_WISHES: Final = ("target", "enabled", "mode", "http_uri")


# --- power ------------------------------------------------------------------------------------


def check_power(asked: Asked) -> None:
    """`action` is one of `ACTIONS`; `how` is "graceful", "force" or "" (graceful where there is
    such a way). Raises `OperatorMust`."""
    _only(asked, "action", "how")
    action, how = _text(asked, "action"), _text(asked, "how")
    _one_of("action", action, ACTIONS)
    _one_of("how", how, _WAYS)
    if how == GRACEFUL and action in _FORCED_ONLY:
        raise _wrong(f"{_SAID[action]} has no graceful way", "leave --graceful out.")


def say_power(asked: Asked) -> str:
    how = " by force" if _text(asked, "how") == FORCE else ""
    return _SAID.get(_text(asked, "action"), "power") + how


def disturbs(asked: Asked) -> bool:
    return _text(asked, "action") != "on"


def ends_off(asked: Asked) -> bool:
    return _text(asked, "action") == "off"


def power_course(facts: NodeFacts, asked: Asked) -> tuple[Draft, ...] | Halt:
    """What is done at one node. Pure."""
    action, force = _text(asked, "action"), _text(asked, "how") == FORCE
    state = facts.fields.get("power_state")
    if facts.kind not in HOSTS:
        return Halt(Fate.BLOCKED, f"a {facts.kind} has no host of its own")
    if state not in (ON, OFF):
        told = f"its host is {state}" if state else "whether its host is on is not known"
        return Halt(Fate.BLOCKED, told)
    if (action, state) in (("on", ON), ("off", OFF)):
        return Halt(Fate.NO_OP, f"its host is {state.lower()} already")
    if action != "on" and state == OFF:
        return Halt(Fate.BLOCKED, "its host is off")
    if action == "reset" and not force and _takes_force_alone(facts):
        return Halt(Fate.BLOCKED, "it takes no graceful restart, only one by force")
    if action == "on":
        return (_on(), *_well(facts))
    if action == "off":
        return (_off(force=force),)
    if action == "nmi":
        return (_once("Nmi", "Send the host an NMI", after=()),)
    return (*_cycled(facts, action, force=force), *_well(facts))


def _takes_force_alone(facts: NodeFacts) -> bool:
    able = facts.capabilities
    return "power.restart.force" in able and "power.restart.graceful" not in able


def _cycled(facts: NodeFacts, action: str, *, force: bool) -> tuple[Draft, ...]:
    tells = TELLS_START in facts.capabilities
    back = (*BOOTED, HAS_POWER) if tells else ()
    if action == "mains":
        return (_once("FullPowerCycle", "Take the mains away and give it back", after=back),)
    if action == "reset":
        kind = "ForceRestart" if force else "GracefulRestart"
        text = "Restart the host by force" if force else "Restart the host"
        return (_once(kind, text, after=back),)
    if force and tells:
        return (_once("PowerCycle", "Power-cycle the host", after=back),)
    return (_off(force=force), _on())


def _on() -> Draft:
    return Draft(
        "power-on",
        step(
            host_reset(ON),
            "Power the host on",
            before=(IS_OFF, *REACHABLE),
            after=(HAS_POWER, *REACHABLE),
            timeout_s=SOON_S,
            undo=host_reset("GracefulShutdown"),
            undo_after=(IS_OFF,),
        ),
    )


def _off(*, force: bool) -> Draft:
    return Draft(
        "power-off",
        step(
            host_reset("ForceOff" if force else "GracefulShutdown"),
            "Cut the host off" if force else "Shut the host down",
            before=(HAS_POWER, *REACHABLE),
            after=(IS_OFF,),
            timeout_s=SOON_S if force else 2 * SOON_S,
            undo=host_reset(ON),
            undo_after=(HAS_POWER,),
        ),
    )


def _once(kind: str, text: str, *, after: tuple[Expect, ...]) -> Draft:
    """Sent at most once, whatever is seen of it afterwards."""
    told = text if after else f"{text} (nothing tells whether it did)"
    return Draft(
        {"Nmi": "nmi", "FullPowerCycle": "mains", "PowerCycle": "power-cycle"}.get(kind, "reset"),
        step(
            host_reset(kind),
            told,
            before=(*REACHABLE, HAS_POWER),
            after=after,
            timeout_s=3 * SOON_S,
            attempts=1,
        ),
    )


def _well(facts: NodeFacts) -> tuple[Draft, ...]:
    """It answers and is on; how healthy a host is that was off nobody knows before it runs."""
    return (
        Draft(
            "wait-healthy",
            step(
                Action(verb=Verb.WAIT_HEALTHY, subject="health"),
                "Wait until it answers and is not critical",
                after=(*_health(facts), HAS_POWER, *REACHABLE),
            ),
        ),
    )


def _health(facts: NodeFacts) -> tuple[Expect, ...]:
    if facts.fields.get("health") not in ("OK", "Warning"):
        return ()
    return (Expect(subject="health", op=Op.IS_NOT, value="Critical"),)


# --- what a plan asks of the host while it runs -------------------------------------------------


def needs_host(node: NodePlan) -> bool:
    """Whether the node's host has to be on to be worked on: not where its power is what is
    changed, nor where the controller alone is."""
    actions = [each.action for each in node.steps if each.action.verb not in _WAITING]
    if any(_moves_power(action) for action in actions):
        return False
    return not actions or any(action.verb not in _OF_CONTROLLER for action in actions)


def stays_off(node: NodePlan) -> bool:
    """Whether the node's host is off when the plan is done with it."""
    moves = [each.action for each in node.steps if _moves_power(each.action)]
    return bool(moves) and moves[-1].arguments["type"] in _OFFS


def _moves_power(action: Action) -> bool:
    return action.verb is Verb.RESET and action.arguments.get("type") in (*_OFFS, ON)


# --- boot override ----------------------------------------------------------------------------


def check_boot(asked: Asked) -> None:
    """`target` and `enabled` are Redfish's words (any case), `mode` may be one; to clear it is
    target "None", enabled "Disabled". Raises `OperatorMust`."""
    _only(asked, "target", "enabled", "mode", "uefi_target", "http_uri")
    _one_of("target", _text(asked, "target"), TARGETS)
    _one_of("enabled", _text(asked, "enabled"), ENABLED)
    if mode := _text(asked, "mode"):
        _one_of("mode", mode, MODES)
    if _text(asked, "target") == "UefiTarget" and not _text(asked, "uefi_target"):
        raise _wrong("a UEFI target needs its device path", "give it with --uefi-target PATH.")
    if uri := _text(asked, "http_uri"):
        _check_http(uri, _text(asked, "target"))


def _check_http(uri: str, target: str) -> None:
    """Plans are shown to many, so a login has no place in one."""
    if target != HTTP:
        raise _wrong(f"nothing but {HTTP} starts from a URL", f"ask for {HTTP}.")
    if not _IS_HTTP.fullmatch(uri):
        raise _wrong(
            "a host fetches from http:// or https:// and a name, without a login in it",
            "give such a URL with --http-uri.",
        )


def say_boot(asked: Asked) -> str:
    if _text(asked, "enabled") == "Disabled":
        return "clear the boot override"
    often = "once" if _text(asked, "enabled") == "Once" else "always"
    mode = f", {_text(asked, 'mode')}" if _text(asked, "mode") else ""
    place = f" ({uri})" if (uri := _text(asked, "http_uri")) else ""
    return f"start {often} from {_text(asked, 'target')}{place}{mode}"


def boot_course(facts: NodeFacts, asked: Asked) -> tuple[Draft, ...] | Halt:
    """Written once, read back, and put back when it is undone. Pure."""
    if facts.kind not in HOSTS:
        return Halt(Fate.BLOCKED, f"a {facts.kind} has no host of its own")
    seen = {
        each.name.removeprefix(_OVERRIDE): each.value
        for each in facts.manager
        if each.name.startswith(_OVERRIDE)
    }
    wish = {key: text for key in _WISHES if (text := _text(asked, key))}
    if missing := [key for key in wish if seen.get(key) is None]:
        return Halt(Fate.BLOCKED, f"it does not show {', '.join(_OVERRIDE + m for m in missing)}")
    off = wish["enabled"] == "Disabled"
    expected = {"enabled": "Disabled"} if off else wish
    if off and seen.get("http_uri"):  # the next start over HTTP would fetch it again
        wish["http_uri"] = expected["http_uri"] = ""
    if all(seen[key] == value for key, value in expected.items()) and not _path(asked):
        return Halt(Fate.NO_OP, "it is set so already")
    return (_override(wish, expected, {key: seen[key] or "" for key in wish}, asked),)


def _override(
    wish: Mapping[str, str], expected: Mapping[str, Any], old: Mapping[str, Any], asked: Asked
) -> Draft:
    given = {**wish, **({"uefi_target": _path(asked)} if _path(asked) else {})}
    was = f"{old['target']}, {old['enabled']}"
    shown = {key: value for key, value in old.items() if value}
    back = {"enabled": "Disabled"} if old["enabled"] == "Disabled" else shown
    return Draft(
        "set-boot",
        step(
            Action(verb=Verb.SET_BOOT, subject="boot", arguments=given),
            f"{_capital(say_boot(asked))} (was {was})",
            before=REACHABLE,
            after=_expects(expected),
            timeout_s=SOON_S / 2,
            undo=Action(verb=Verb.SET_BOOT, subject="boot", arguments=dict(old)),
            undo_after=_expects(back),
        ),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _expects(values: Mapping[str, Any]) -> tuple[Expect, ...]:
    return tuple(
        Expect(subject=f"bmc/{_OVERRIDE}{key}", op=Op.IS, value=value)
        for key, value in values.items()
    )


def _path(asked: Asked) -> str:
    return _text(asked, "uefi_target")


# --- what was asked ---------------------------------------------------------------------------


def _text(asked: Asked, name: str) -> str:
    return str(asked.arguments.get(name) or "")


def _only(asked: Asked, *names: str) -> None:
    if strange := sorted(asked.arguments.keys() - set(names)):
        raise _wrong(f"{asked.kind} takes no {strange[0]!r}", f"it takes: {', '.join(names)}.")


def _one_of(name: str, value: str, words: tuple[str, ...]) -> None:
    if value not in words:
        known = ", ".join(word for word in words if word)
        raise _wrong(f"{value!r} is no {name}", f"give one of: {known}.")


def _wrong(message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message, operation="plan", subject="what is asked", code="BadRequest", next_step=next_step
    )
