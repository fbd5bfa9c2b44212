"""A peer's client that remembers what it asked for and where each value it lists came from.

A peer lists names and numbers without saying which resource it took them from. So every number
and word of an answer is handed to it as a subclass that carries its place (`uri#/pointer`): what
comes out of the peer's own walk can then be laid beside our reading of the same place, and "the
peer never asked for that resource" is a fact and no guess.
"""

from __future__ import annotations

from typing import Any


class Number(float):
    place: str = ""


class Word(str):
    __slots__ = ("place",)
    place: str


def place_of(value: Any) -> str | None:
    """Where the value was read, if an answer held it."""
    return getattr(value, "place", None)


class Answer:
    """The peer's own answer object with marked values."""

    def __init__(self, answer: Any, uri: str) -> None:
        self._answer = answer
        self._marked: Any = None
        self._uri = uri

    @property
    def dict(self) -> Any:
        if self._marked is None:
            self._marked = marked(self._answer.dict, f"{clean(self._uri)}#")
        return self._marked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)


class Followed:
    """Stands where a peer expects its client; `asked` is every resource it read."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked: set[str] = set()

    def get(self, uri: str, *arguments: Any, **options: Any) -> Answer:
        self.asked.add(clean(uri))
        return Answer(self._client.get(str(uri), *arguments, **options), uri)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def clean(uri: str) -> str:
    """The resource of a reference: no fragment, no query, no slash at the end."""
    return str(uri).split("#")[0].split("?")[0].rstrip("/")


def marked(value: Any, place: str) -> Any:
    """The same JSON; numbers and words know their place."""
    if isinstance(value, dict):
        return {key: marked(inner, f"{place}/{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [marked(inner, f"{place}/{at}") for at, inner in enumerate(value)]
    if isinstance(value, bool) or value is None:
        return value
    found: Any = Word(value) if isinstance(value, str) else Number(value)
    found.place = place
    return found
