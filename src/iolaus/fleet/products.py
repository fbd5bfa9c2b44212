"""What is certain of a product's name in an advisory: whose, of which firmware, of which model.

Names are free text ("Gigabyte Server MZ73-LM0 BMC firmware"), so three things are worked out when
they are imported and never guessed later: the maker's usual name, the firmware classes whose words
stand in them (the same words that tell a firmware inventory), and the words with letters and
digits in them, which is how models are numbered. Package URLs and CPE names add what they say.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import unquote

from iolaus.drivers.redfish.firmware_kinds import kind_in
from iolaus.drivers.redfish.names import usual_name
from iolaus.model.advisory import Product
from iolaus.model.matching import model_numbers

MAX_NAMES: Final = 24
_PURL: Final = re.compile(
    r"pkg:[a-z0-9.+-]+/(?:([^@?#]+)/)?([^/@?#]+)(?:@([^?#]+))?", re.IGNORECASE
)
_CPE: Final = re.compile(r"cpe:2\.3:[aho*-]:([^:]+):([^:]+):")


def product_of(
    name: str,
    *,
    vendor: str = "",
    names: Iterable[str] = (),
    numbers: Iterable[str] = (),
    purl: str = "",
    cpe: str = "",
) -> Product:
    """`names` are those it stands below (without the vendor's); `numbers` given model numbers."""
    said = list(dict.fromkeys(filter(None, [*names, name, *_of_purl(purl)[1:], *_of_cpe(cpe)[1:]])))
    said = [each[:300] for each in said[:MAX_NAMES]]
    whose = vendor or next(iter(_of_purl(purl)), "") or next(iter(_of_cpe(cpe)), "")
    found = [number for each in said for number in model_numbers(each) if not kind_of(number)]
    found += [re.sub(r"[^a-z0-9]", "", each.lower()) for each in numbers]
    return Product(
        name=name[:300],
        vendor=usual_name(whose) if whose else "",
        names=tuple(said),
        kinds=tuple(sorted({kind for each in said if (kind := kind_of(each))})),
        numbers=tuple(sorted(set(filter(None, found)))),
    )


def kind_of(name: str) -> str:
    """The class of firmware that a product's name tells; "" where it tells none."""
    text = " ".join(re.findall(r"[a-z0-9]+", name.casefold()))
    return next((kind for kind, pattern in _words_of_makers() if pattern.search(text)), "") or (
        kind_in(name)
    )


@cache
def _words_of_makers() -> tuple[tuple[str, re.Pattern[str]], ...]:
    text = files(__package__).joinpath("product_words.toml").read_text(encoding="utf-8")
    told: dict[str, Any] = tomllib.loads(text)
    return tuple((kind, re.compile(rf"\b(?:{words})\b")) for kind, words in told["kinds"])


def _of_purl(purl: str) -> tuple[str, ...]:
    """(vendor, name) of a package URL; empty for anything else."""
    found = _PURL.match(purl)
    if not found:
        return ()
    return unquote(found[1] or "").split("/")[-1], unquote(found[2])


def _of_cpe(cpe: str) -> tuple[str, ...]:
    """(vendor, product) of a CPE 2.3 name (NISTIR 7695); empty for anything else."""
    found = _CPE.match(cpe)
    return tuple(_words(found.groups())) if found else ()


def _words(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield "" if text in "*-" else re.sub(r"\\(.)", r"\1", text).replace("_", " ")
