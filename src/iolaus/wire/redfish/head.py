"""Status line and header fields of an answer, from the bytes libcurl hands over."""

from __future__ import annotations


def parse_head(raw: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of the last head in `raw` (interim answers and trailers left out).

    Names are lower case; of a repeated field the last counts. Never raises.
    """
    text = raw.decode("latin-1")
    begin = text.rfind("\nHTTP/") + 1
    end = text.find("\r\n\r\n", begin)
    if end < 0:
        end = text.find("\n\n", begin)
    first, *lines = text[begin : end if end >= 0 else len(text)].split("\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return _status(first), headers


def _status(line: str) -> int:
    words = line.split(None, 2)
    word = words[1] if len(words) > 1 else ""
    return int(word) if len(word) == 3 and word.isascii() and word.isdigit() else 0
