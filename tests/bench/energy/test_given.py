"""What is given on the command line: seeds, files, a run that goes on where another was cut off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from bench.energy.__main__ import main
from bench.energy.contest import contest
from bench.energy.given import kept, must_be_writable, pictured, seeds_of
from bench.energy.scenario import blind, scenario
from bench.energy.score import Score
from bench.energy.table import goals

from iolaus.kernel.errors import OperatorMust

SHORT = replace(scenario(0), seconds=6.0, warm_s=4.0)


def test_seeds_are_numbers_and_ranges_and_none_comes_twice() -> None:
    assert seeds_of("9001 9002") == [9001, 9002]
    assert seeds_of("0-3,7 2") == [0, 1, 2, 3, 7]
    assert seeds_of(" , ") == []


@pytest.mark.parametrize("word", ["x", "-5", "1.5", "9-3", "0-99999999999", "1-2-3", "0x10", "²"])
def test_what_is_no_seed_is_told(word: str) -> None:
    with pytest.raises(OperatorMust, match="seed"):
        seeds_of(f"9001 {word}")


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--seeds", "many"],
        ["run", "--seeds", "1", "--controllers", "perpetual-motion"],
        ["run", "--seeds", "1", "--json", "/nowhere/at/all.json"],
        ["plot", "no-such-file"],
    ],
)
def test_bad_words_end_with_a_line_that_says_what_to_do(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench.energy", *words])
    assert main() == 2
    assert capsys.readouterr().err.strip()


def test_a_run_goes_on_where_another_was_cut_off(tmp_path: Path) -> None:
    first = contest([SHORT], ["static"], processes=1)
    path = tmp_path / "scores.json"
    path.write_bytes(msgspec.json.encode(first))
    lines: list[str] = []
    other = replace(SHORT, seed=1)
    both = contest([SHORT, other], ["static"], processes=1, tell=lines.append, known=kept(path))
    assert lines == [f"2/2 {other.name}"]
    assert both[0] == first[0]
    more = contest([SHORT], ["static", "uniform"], processes=1, known=both)
    assert [each.controller for each in more] == ["static", "uniform"]


def test_scores_are_read_or_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    must_be_writable(path)
    assert kept(path) == []
    path.write_text('{"seed": 1}')
    with pytest.raises(OperatorMust, match="no scores"):
        kept(path)


def score(name: str, controller: str, **more: object) -> Score:
    given = contest([SHORT], ["static"], processes=1)[0]
    made = msgspec.structs.replace(given, scenario=name, controller=controller)
    return msgspec.structs.replace(made, **more)


def test_the_worst_of_a_file_is_what_is_drawn(tmp_path: Path) -> None:
    path, other = tmp_path / "scores.json", blind(3)[0]
    mine = score(other.name, "iolaus", seed=3, in_window_j={"site": 9.0})
    fine = score(scenario(4).name, "iolaus", seed=4)
    worse = score(scenario(5).name, "none", seed=5, in_window_j={"site": 99.0})
    path.write_bytes(msgspec.json.encode([fine, mine, worse]))
    assert pictured(str(path)) == other
    assert pictured("7") == scenario(7)


def test_the_bound_stands_beside_the_goal() -> None:
    names = {"static": 0.5, "oracle": 0.8, "oracle-safe": 0.6, "iolaus": 0.57}
    scores = [score("0:training/quiet/fast", name, throughput=t) for name, t in names.items()]
    said = "\n".join(goals(scores))
    assert "throughput over static, healthy scenarios: 1.140 x (>= 1.15) MISSED by -0.010" in said
    assert "bound of any that keeps a guard, healthy scenarios: 1.200 x static" in said
    assert "of that bound, healthy scenarios: 0.950" in said
