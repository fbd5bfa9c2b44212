"""Whether an advisory's product is a firmware of a node. Pure.

Three things must agree: the maker, the class of firmware, and the model. Where an advisory and a
node both show model numbers and share none, it is another product. Where the advisory names no
class of firmware, or a model that cannot be compared, the answer is unknown, and an operator's
mapping can decide it once for the whole fleet. Names that merely sound alike are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import msgspec

from iolaus.model.advisory import Product
from iolaus.model.asset import Firmware
from iolaus.model.version import Verdict

MODULE: Final = "module-"
_NOISE: Final = frozenset({"x86", "x64", "amd64", "arm64", "64bit", "32bit", "ipv4", "ipv6"})
_WORD: Final = re.compile(r"[a-z0-9]+")


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's word on what a product is here: `product` is a pattern of its name; `kinds`,
    `components` (ids, `*` allowed) and `models` (patterns) say which firmware; empty: any."""

    product: str
    vendor: str = ""
    kinds: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    scheme: str = ""

    def means(self, product: Product) -> bool:
        named = any(_like(name, self.product) for name in (product.name, *product.names))
        return named and (not self.vendor or self.vendor.casefold() == product.vendor.casefold())

    def covers(self, entry: Firmware, model: str) -> bool:
        return (
            (not self.kinds or entry.kind in self.kinds)
            and (not self.components or any(_like(entry.component, c) for c in self.components))
            and (not self.models or any(_like(model, m) for m in self.models))
        )


class Match(NamedTuple):
    """`reason` says why it is not known; `scheme` how an operator says versions are ordered."""

    verdict: Verdict
    reason: str = ""
    scheme: str = ""


NOT: Final = Match(Verdict.NO)


def model_numbers(text: str) -> list[str]:
    """The words of a name that number a model: letters with digits, or three digits and more."""
    words = _WORD.findall(text.lower())
    return [word for word in words if _is_number(word) and word not in _NOISE]


def match(
    product: Product,
    entry: Firmware,
    fields: Mapping[str, str | None],
    mapped: Iterable[Mapped] = (),
) -> Match:
    """`fields` are the node's (vendor, model, sku). A mapping that means the product decides."""
    meant = [each for each in mapped if each.means(product)]
    if meant:
        model = fields.get("model") or ""
        found = next((each for each in meant if each.covers(entry, model)), None)
        return Match(Verdict.YES, scheme=found.scheme) if found else NOT
    makers = {(m or "").casefold() for m in (entry.vendor, fields.get("vendor"))} - {""}
    if product.vendor and makers and product.vendor.casefold() not in makers:
        return NOT
    if product.kinds and not _is_of_kind(product, entry):
        return NOT
    return _by_model(product, entry, fields, makers)


def _by_model(
    product: Product, entry: Firmware, fields: Mapping[str, str | None], makers: set[str]
) -> Match:
    ours = {n for key in ("model", "sku") for n in model_numbers(fields.get(key) or "")}
    ours |= set(model_numbers(f"{entry.component} {entry.name}"))
    shared = any(_same_model(theirs, mine) for theirs in product.numbers for mine in ours)
    named = any(_folded(name) == _folded(entry.name) for name in product.names)
    if product.numbers and ours and not shared and not named:
        return NOT
    if not (product.kinds or named):
        why = f"{product.name!r} does not say which firmware"
        return Match(Verdict.UNKNOWN, why) if shared else NOT
    if product.numbers and not ours:
        return Match(Verdict.UNKNOWN, f"the node shows no model number to compare {product.name!r}")
    if not (product.vendor and makers) and not shared:
        return Match(Verdict.UNKNOWN, f"whose product {product.name!r} is cannot be compared")
    return Match(Verdict.YES)


def _is_of_kind(product: Product, entry: Firmware) -> bool:
    named = any(_folded(name) == _folded(entry.name) for name in product.names)
    return named or entry.kind.removeprefix(MODULE) in product.kinds


def _is_number(word: str) -> bool:
    digits = sum(map(str.isdigit, word))
    return len(word) >= 3 and digits > 0 and (digits < len(word) or digits >= 3)


def _same_model(a: str, b: str) -> bool:
    """R760 and R760xd2 share a number; R76 and R760 do not."""
    if a == b:
        return True
    short, long = sorted((a, b), key=len)
    return len(short) >= 4 and long.startswith(short) and not long[len(short)].isdigit()


def _like(text: str, pattern: str) -> bool:
    return fnmatchcase(text.casefold(), pattern.casefold())


def _folded(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))
