"""The page about the site file says what is so."""

from __future__ import annotations

from pathlib import Path

from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site
from iolaus.sim.hall_wear import FLAWS
from iolaus.sim.personas import personas

PAGE = (Path(__file__).parents[3] / "docs" / "site-file.md").read_text(encoding="utf-8")


def test_every_persona_its_counts_and_quirks_are_listed() -> None:
    for persona in personas().values():
        inside = ", ".join(f"{n} {word}" for word, n in persona.counts.items() if n)
        row = f"| `{persona.name}` | {persona.kind} | {persona.make} |"
        (line,) = [line for line in PAGE.splitlines() if line.startswith(row)]
        assert line.endswith(f"| {persona.title} | {inside} |")
        for word, text in persona.quirks.items():
            assert f"| `{persona.name}` | {word} | {text} |" in PAGE


def test_every_flaw_is_listed() -> None:
    for flaw in FLAWS:
        assert f"| {flaw.word} | `{flaw.persona}` | {flaw.what} |" in PAGE


def test_the_example_is_a_hall_of_the_size_it_claims() -> None:
    example = PAGE.split("```yaml\n")[1].split("```")[0]
    seats = build_hall(parse_site(example, source="docs/site-file.md"))
    assert f"for {len(seats)} devices" in PAGE
    assert len(example.splitlines()) < 40
