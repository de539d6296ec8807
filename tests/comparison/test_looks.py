"""The colours of lines can be seen on the page and told apart, whatever colours a reader sees."""

from __future__ import annotations

import itertools
import re
from importlib.resources import files

import numpy as np
import pytest

from d2ldrop.comparison.looks import COLOURS, HATCHES, MARKERS, STYLES
from d2ldrop.core.arrays import NumPyArray
from tests.page.contrast import contrast, linear_rgb

# Linear RGB as readers without one kind of cone see it: Machado et al. (2009), severity 1.
VISION = {
    "three cones": np.eye(3),
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
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def lab(light: NumPyArray) -> NumPyArray:
    """CIELAB of linear RGB, with the white of sRGB."""
    t = XYZ @ light.clip(0, 1) / XYZ.sum(axis=1)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", VISION)
def test_colours_can_be_told_apart(kind: str) -> None:
    """A difference of 2 in CIELAB is just seen side by side. Thin lines need far more."""
    seen = {colour: lab(VISION[kind] @ linear_rgb(colour)) for colour in COLOURS}
    apart = {
        (one, other): float(np.linalg.norm(seen[one] - seen[other]))
        for one, other in itertools.combinations(COLOURS, 2)
    }
    assert min(apart.values()) > 15, apart


def test_every_colour_can_be_seen_on_the_page() -> None:
    """WCAG 2.2 asks for 3 (criterion 1.4.11). On the dark page the ink, black, becomes light."""
    css = (files("d2ldrop.page") / "static" / "page.css").read_text(encoding="utf-8")
    light, dark = re.findall(r"--page: (#\w{6});", css)[:2]
    assert min(contrast(colour, page) for colour in COLOURS for page in (light, "#ffffff")) >= 3
    assert min(contrast(colour, dark) for colour in COLOURS[1:]) >= 3


def test_lines_differ_in_print_too() -> None:
    for looks in (COLOURS, STYLES, MARKERS, HATCHES):
        assert len(set(looks)) == len(looks) == 7
