"""What the catalogue says of a fault, and what a room must give to have it played.

An entry is words for people (what happens, how it is seen, what the oracle tells) and one
coroutine: `strike` gets a `Scene` (the devices that were selected, what it was given) and returns
how to mend it again. It changes what is so, or what devices say of it, at run time; it never
waits for anything but the hall.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.hall_yaml import meant

if TYPE_CHECKING:
    from iolaus.sim.personas.persona import Persona
    from iolaus.sim.server import Hall, Place

Value = float | int | str | bool | None
Given = Mapping[str, Any]
Mend = Callable[[], Awaitable[None]]
EVERY: Final = "every device"
_TRUE: Final = {"true": True, "yes": True, "false": False, "no": False}


class Asked(Protocol):
    """What is served beside the devices and answers for itself (the plant, the building)."""

    async def asked(self, verb: str, body: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """`key` is this striking's own id; `given` has a value for every argument of the entry."""

    key: str
    given: Given
    hall: Hall
    places: Sequence[Place]
    beside: Mapping[str, Asked]


Strike = Callable[[Scene], Awaitable[Mend]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """What may be given to a fault. Its type is that of `usual`; None is a number that need not
    be given."""

    name: str
    what: str
    unit: str = ""
    usual: Value = None
    choices: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`sources` are "<row>: <words of the row>", the row being a number of behaviours.md or
    "energy"; none: an adversary or an accident of our own. `kinds` are the roles of devices that it
    can befall (none: any) and `suits` says of which personas; `needs` is what must be served
    beside the devices."""

    name: str
    title: str
    what: str
    room: str
    strike: Strike
    sources: Sequence[str] = ()
    arguments: Sequence[Argument] = ()
    fits: str = EVERY
    kinds: frozenset[str] = frozenset()
    suits: Callable[[Persona], bool] | None = None
    seen: str = ""
    oracle: str = ""
    needs: str = ""

    def befalls(self, persona: Persona | None) -> bool:
        """Whether it can befall this kind of machine; None: one of which no kind is known."""
        return self.suits is None or persona is None or self.suits(persona)

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What is given, checked, with the usual for the rest. Raises OperatorMust."""
        known = {argument.name: argument for argument in self.arguments}
        for name in given:
            if name not in known:
                hint = meant(name, list(known)) if known else "It takes none."
                raise self.wrong(f"it takes no {name!r}", hint)
        usual = {name: argument.usual for name, argument in known.items()}
        return usual | {name: self._checked(known[name], given[name]) for name in given}

    def wrong(self, why: str, next_step: str) -> OperatorMust:
        return OperatorMust(
            why, operation="strike", subject=self.name, code="BadFault", next_step=next_step
        )

    def _checked(self, argument: Argument, value: Any) -> Any:
        if argument.choices and value not in argument.choices:
            raise self.wrong(
                f"{argument.name}: {value!r} is not known", meant(str(value), argument.choices)
            )
        if isinstance(argument.usual, bool):
            found = _TRUE.get(str(value).lower())
            if found is None:
                raise self.wrong(f"{argument.name} is true or false", f"Write {argument.name}=true")
            return found
        return str(value) if isinstance(argument.usual, str) else self._number(argument, value)

    def _number(self, argument: Argument, value: Any) -> float | None:
        if value is None:
            return None
        try:
            found = float(value)
        except (TypeError, ValueError):
            found = float("nan")
        if not -1e12 < found < 1e12:
            raise self.wrong(
                f"{argument.name}: {value!r} is not a number",
                f"Write {argument.name}={argument.usual if argument.usual is not None else 1}.",
            )
        return found


async def nothing() -> None:
    """The mending of what mends itself."""
