"""Which version was good: what it changed from, or what it is."""

from __future__ import annotations

from iolaus.app.last_images import good_versions
from iolaus.model.asset import Firmware
from iolaus.store.changes import Change


def entry(version: str | None) -> Firmware:
    return Firmware(component="BMC", name="BMC", version=version, asset="a", uri="/fw/BMC")


def change(before: str | None, after: str | None) -> Change:
    return Change(
        at=1.0, endpoint="e", asset="u", component="BMC", field="version", before=before,
        after=after,
    )  # fmt: skip


def test_the_last_good_version_is_what_the_broken_one_came_from_or_itself() -> None:
    assert good_versions(entry("2.0"), []) == ["2.0"]
    assert good_versions(entry("2.0"), [change("1.0", "2.0")]) == ["1.0", "2.0"]
    rows = [change("2.0", "0.0-partial"), change("1.0", "2.0")]
    assert good_versions(entry("0.0-partial"), rows) == ["2.0", "1.0", "0.0-partial"]
    assert good_versions(entry("2.0"), rows) == ["2.0", "1.0"], "read before it broke"
    assert good_versions(entry(None), [change("2.0", None)]) == ["2.0"]
    assert good_versions(entry(None), []) == []
