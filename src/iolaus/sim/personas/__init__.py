"""Machines of our own drawing: one module per class of machine, found by discovery."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules

from iolaus.sim.personas.persona import Persona


@lru_cache(maxsize=1)
def personas() -> Mapping[str, Persona]:
    """Every persona by name: those that a module of this package lists in `PERSONAS`."""
    found: dict[str, Persona] = {}
    for module in iter_modules(__path__):
        listed: tuple[Persona, ...] = getattr(
            import_module(f"{__name__}.{module.name}"), "PERSONAS", ()
        )
        found |= {persona.name: persona for persona in listed}
    return found
