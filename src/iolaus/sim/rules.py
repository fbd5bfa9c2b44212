"""Fault rules as data: what to select, what to do to it, how often.

A rule is `{select, effect, times, ...}`; the other fields belong to the effect. Rules come from
YAML or JSON files and over the oracle's channel, so they are validated here and nowhere else.
`docs/simulator.md` lists every field.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.presets import PRESETS
from iolaus.sim.tree import Resource

Effect = Literal["latency", "status", "replace", "die", "lie"]
Raw = Literal[
    "", "truncated", "html", "huge", "wrong_length", "invalid_utf8", "empty", "not_object"
]
How = Literal["refuse", "silence", "reset"]
Lie = Literal[
    "", "accept_without_effect", "stale_reads", "drop_without_if_match", "weak_etag", "empty_etag",
    "gzip_etag", "nan", "negative", "zero", "swapped_status", "null_members", "object_for_list",
    "expand_drops", "missing", "trailing_blanks", "clock", "subscriptions_vanish", "bad_events",
    "sessions_leak", "session_limit", "frozen",
    "spdm_replay", "spdm_wrong_nonce", "spdm_bad_signature", "spdm_forged_root",
    "spdm_swapped_identity", "spdm_stale_firmware", "spdm_tampered", "spdm_debug_mode",
    "tpm_replay", "tpm_wrong_nonce", "tpm_bad_signature", "tpm_forged_root",
    "tpm_swapped_identity", "tpm_stale_firmware", "tpm_tampered", "tpm_log_edited",
    "tpm_secure_boot_off",
]  # fmt: skip


class Select(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Globs (`*` also matches "/"). `after` requests that match pass first; `from_s` and
    `until_s` count from when the rule was armed."""

    device: str = "*"
    address: str = "*"
    labels: dict[str, str] = {}
    method: list[str] = []
    path: str = "*"
    probability: float = 1.0
    after: int = 0
    from_s: float = 0.0
    until_s: float | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`times` bounds how often it strikes on each device; 0 is without end. `only` bends resources
    of this type alone ("Sensor")."""

    effect: Effect
    select: Select = Select()
    id: str = ""
    times: int = 0
    only: str = ""
    # latency
    seconds: float = 0.0
    sigma: float = 0.0
    hang: bool = False
    drip_bytes_per_s: float = 0.0
    # status
    status: int = 0
    body: Any = None
    message: str = ""
    retry_after_s: float | None = None
    headers: dict[str, str] = {}
    # replace
    merge: dict[str, Any] | None = None
    patch: list[dict[str, Any]] | None = None
    raw: Raw = ""
    text: str | None = None
    content_type: str = ""
    size_bytes: int = 50_000_000
    # die
    how: How = "refuse"
    for_s: float | None = None
    # lie
    lie: Lie = ""
    names: list[str] = []
    count: int = 1
    offset_s: float = 0.0


def load_rules(file: Path) -> list[Rule]:
    """Rules of a YAML or JSON file: a list, or `{faults: [...]}`. Raises `OperatorMust`."""
    try:
        data = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unusable(str(file), f"cannot be read: {error}") from None
    items = data.get("faults") if isinstance(data, dict) else data
    if not isinstance(items, list):
        raise _unusable(str(file), "holds no list of rules")
    return parse_rules(items, source=str(file))


def parse_rules(items: Sequence[object], *, source: str) -> list[Rule]:
    """Rules from plain data; `{preset: name, select: ...}` stands for the preset's rules."""
    return [rule for item in items for rule in _parse(item, source)]


def _parse(item: object, source: str) -> list[Rule]:
    if isinstance(item, str):
        item = {"preset": item}
    if not isinstance(item, dict):
        raise _unusable(source, "a rule is not an object")
    if "preset" not in item:
        return [_rule(item, source)]
    name, select = item["preset"], item.get("select") or {}
    unknown = set(item) - {"preset", "select", "id"}
    if name not in PRESETS or unknown:
        word = unknown.pop() if unknown else str(name)
        raise _unusable(source, f"unknown {word!r}{_meant(word, [*PRESETS, 'preset', 'select'])}")
    tag = item.get("id", name)
    return [
        _rule({"id": tag, **rule, "select": {**rule.get("select", {}), **select}}, source)
        for rule in PRESETS[name].rules
    ]


def _rule(item: Resource, source: str) -> Rule:
    try:
        rule = msgspec.convert(item, Rule)
    except msgspec.ValidationError as error:
        field = re.search(r"unknown field `(\w+)`", str(error))
        known = [*Rule.__struct_fields__, *Select.__struct_fields__]
        hint = _meant(field[1], known) if field else ""
        raise _unusable(source, f"{error}{hint}") from None
    lacking = {
        "latency": not (rule.seconds or rule.hang or rule.drip_bytes_per_s),
        "status": not 100 <= rule.status <= 599,
        "replace": not (rule.merge or rule.patch or rule.raw or rule.text is not None),
        "die": False,
        "lie": not rule.lie,
    }
    if lacking[rule.effect]:
        raise _unusable(source, f"the effect {rule.effect!r} lacks what it needs")
    return rule


def _meant(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _unusable(source: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read fault rules",
        subject=source,
        code="BadFaultRule",
        next_step="mend the rule; docs/simulator.md lists fields and presets.",
    )
