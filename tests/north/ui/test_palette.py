"""Colours that a colour-blind person can tell apart, and no green for what is not known.

The dichromatic simulation is that of Machado, Oliveira and Fernandes (2009, severity 1.0).
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from iolaus.north import ui

STATIC = Path(ui.__file__).parent / "static"
INKS = ("ink", "dim", "accent", "ok", "warning", "critical", "unknown", "staged", "excused")
SEEN_BY = {
    "everyone": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def palette() -> tuple[dict[str, list[str]], str, list[str]]:
    text = (STATIC / "palette.js").read_text(encoding="utf-8")
    words = {
        name: json.loads(colors)
        for name, colors in re.findall(r"^  (\w+): (\[.*\]),$", text, re.MULTILINE)
    }
    grey = re.search(r'GREY = "(#\w{6})"', text)
    ramp = re.search(r"RAMP = (\[.*\]);", text)
    assert grey
    assert ramp
    return words, grey[1], json.loads(ramp[1])


def linear(color: str) -> np.ndarray:
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(color: str, seen: np.ndarray) -> np.ndarray:
    rgb = np.clip(seen @ linear(color), 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ rgb / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("viewer", SEEN_BY)
def test_words_and_unknown_look_different(viewer: str) -> None:
    words, grey, _ = palette()
    for metric, colors in words.items():
        for one, other in itertools.combinations([*colors, grey], 2):
            apart = np.linalg.norm(lab(one, SEEN_BY[viewer]) - lab(other, SEEN_BY[viewer]))
            assert apart > 18, (metric, one, other)


@pytest.mark.parametrize("viewer", SEEN_BY)
def test_ramp_grows_lighter_all_the_way(viewer: str) -> None:
    *_, ramp = palette()
    lightness = [lab(color, SEEN_BY[viewer])[0] for color in ramp]
    assert all(b - a > 3 for a, b in itertools.pairwise(lightness))


def test_unknown_is_grey() -> None:
    _, grey, _ = palette()
    _, a, b = lab(grey, SEEN_BY["everyone"])
    assert abs(a) < 8
    assert abs(b) < 10


def test_text_can_be_read_in_both_schemes() -> None:
    css = (STATIC / "iolaus.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in css.split("@media")[:2]
    )
    for scheme in (light, {**light, **dark}):
        for ink in INKS:
            for ground in ("bg", "panel"):
                one, other = (
                    float(np.dot([0.2126, 0.7152, 0.0722], linear(scheme[n])))
                    for n in (ink, ground)
                )
                contrast = (max(one, other) + 0.05) / (min(one, other) + 0.05)
                assert contrast >= 4.5, (ink, ground, round(contrast, 2))
