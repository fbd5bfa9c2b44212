"""Nothing secret leaves: what is saved or handed out is cleaned first. Pure.

Two nets, because each has holes. Values under names that mean a secret are dropped, whoever wrote
them; and every secret that we keep ourselves is looked for in all text, whatever it stands under.
What cannot be looked into (an archive that a controller packed) is not text and is not handed out
unless somebody asks for just that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

GONE: Final = "(removed)"
LEAST: Final = 4
"""A secret shorter than this would take half of every text with it."""
_NAMES: Final = re.compile(
    r"(?i)(pass(word|wd|phrase)?|secret|token|api_?key|private_?key|credential|authorization|"
    r"community|auth_?key|priv_?key|cookie|session_?key|sharedsecret|bindpassword|kek|psk)$"
)
_HARMLESS: Final = re.compile(r"(?i)(max|min|require|expir|lifetime|length|policy|enabled|change)")
_TEXT: Final = (
    (re.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----"),
     GONE),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {GONE}"),
    (re.compile(r"(?i)\b(x-auth-token\s*[:=]\s*)\S+"), rf"\1{GONE}"),
    (re.compile(r"(?i)\b((?:password|passwd|passphrase|secret|token|api[_-]?key)\s*[:=]\s*)"
                r"(\"[^\"]*\"|'[^']*'|\S+)"), rf"\1{GONE}"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@"), rf"\1:{GONE}@"),
)  # fmt: skip


class Scrub:
    """`secrets` are those that we know, in clear; they are kept no longer than this."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({each for each in secrets if len(each) >= LEAST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __repr__(self) -> str:
        return "Scrub(...)"

    def text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(GONE, text)
        for pattern, instead in _TEXT:
            text = pattern.sub(instead, text)
        return text

    def value(self, value: Any) -> Any:
        """JSON without secrets: the same shape, other leaves."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(k)): self._under(str(k), v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value

    def _under(self, name: str, value: Any) -> Any:
        secret = _NAMES.search(name) is not None and _HARMLESS.search(name) is None
        if secret and isinstance(value, str | int | float) and not isinstance(value, bool):
            return GONE if value != "" else value
        return self.value(value)
