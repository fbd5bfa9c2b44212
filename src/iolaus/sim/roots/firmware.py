"""Simulated firmware: what an image of a version is, so that everyone means the same bytes.

An image is a function of component, version and build. Its bytes can be packed and pushed, its
digest is what a root of trust measures when it runs, and the same digest stands among the
reference values: a verifier can follow a file from its package to the evidence. GPU_0 and GPU_3
run the same image, so an index at the end of a component's name does not count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import shake_256
from typing import Final

from iolaus.sim.roots.algorithms import Hashing

IMAGE_BYTES: Final = 4096
UNVERSIONED: Final = "unversioned"
_INDEX = re.compile(r"_\d+$")
_DOTTED = re.compile(r"\d+(?:\.\d+)+")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Image:
    """`build` tells apart images that call themselves the same version; "" is the maker's.
    `payload` are the bytes of an image that nobody here made."""

    component: str
    version: str
    build: str = ""
    payload: bytes = b""

    @property
    def data(self) -> bytes:
        if self.payload:
            return self.payload
        words = f"iolaus image\0{self.component}\0{self.version}\0{self.build}"
        return shake_256(words.encode()).digest(IMAGE_BYTES)

    def digest(self, hashing: Hashing) -> bytes:
        return _digest(self, hashing)

    @property
    def svn(self) -> int:
        """The security version: the first two numbers of the version."""
        found = _DOTTED.search(self.version)
        numbers = [int(n) for n in _NUMBER.findall(found[0])] if found else [0, 1]
        return numbers[0] * 100 + numbers[1]


@lru_cache(maxsize=4096)
def _digest(image: Image, hashing: Hashing) -> bytes:
    return hashing.of(image.data)


def component_of(software_id: str) -> str:
    """What a firmware inventory entry holds, whichever of its kind it is."""
    return _INDEX.sub("", software_id)


def version_before(version: str) -> str:
    """A version somewhat older: the last number that can be lowered is lowered."""
    for found in reversed(list(_NUMBER.finditer(version))):
        if int(found[0]) > 0:
            lower = str(int(found[0]) - 1).zfill(len(found[0]))
            return version[: found.start()] + lower + version[found.end() :]
    return f"{version}-before"
