"""The picture files of a comparison."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from d2ldrop.page.charts import page_charts
from d2ldrop.page.drawing import draw_bars, draw_lines, power
from d2ldrop.page.panels import agreement_panels, curve_panels, time_bars
from d2ldrop.page.pictures import draw_dark_curves, draw_pictures
from d2ldrop.page.results import read_comparison
from tests.page.chart_runs import invented_losses, write_comparison

NAMES = ("curves", "agreement", "time")
WHOLE_RUN = {
    "what": "whole run",
    "steps": 30,
    "difference": {},
    "in_lockstep": {},
    "quantities": {"loss": {"yardstick": 1e-9}},
}


def three(num_epochs: int, difference: float) -> dict[str, np.ndarray]:
    return {
        name: invented_losses(num_epochs, difference * index, seed=index)
        for index, name in enumerate(("numpy", "torch", "jax"))
    }


def drawn(folder: Path, key: str, scale: str = "linear") -> list[Line2D]:
    """The lines of a panel of the comparison in ``folder``."""
    results = read_comparison(folder)
    panels = [*curve_panels(results), *agreement_panels(results)]
    panel = next(panel for panel in panels if panel.key == key)
    return draw_lines(Figure().subplots(), panel, scale)


def test_each_picture_is_a_png_and_an_svg(tmp_path: Path) -> None:
    write_comparison(tmp_path, three(3, 1e-12), "float64", three(2, 1e-3), lockstep=[WHOLE_RUN])
    files = draw_pictures(read_comparison(tmp_path))
    assert files == [tmp_path / f"{name}.{end}" for name in NAMES for end in ("png", "svg")]
    for png, svg in zip(files[::2], files[1::2], strict=True):
        with Image.open(png) as picture:
            assert min(picture.info["dpi"]) >= 150
            assert np.ptp(np.asarray(picture.convert("L"))) > 200  # it is not blank
        assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    before = {file: file.read_bytes() for file in files}
    draw_pictures(read_comparison(tmp_path))
    assert {file: file.read_bytes() for file in files} == before


def test_the_dark_picture_has_a_dark_background(tmp_path: Path) -> None:
    write_comparison(tmp_path, {"numpy": invented_losses(2), "numpy-concise": invented_losses(2)})
    results = read_comparison(tmp_path)
    draw_pictures(results)
    file = draw_dark_curves(results)
    assert file is not None
    assert file == tmp_path / "curves-dark.png"
    for path, level in ((file, 0), (tmp_path / "curves.png", 255)):
        with Image.open(path) as picture:
            assert picture.convert("L").getpixel((0, 0)) == level


def test_nothing_is_drawn_without_a_finished_run(tmp_path: Path) -> None:
    write_comparison(tmp_path, {"numpy": invented_losses(1)})
    results = read_comparison(tmp_path)
    results.runs.clear()
    before = list(tmp_path.iterdir())
    assert draw_pictures(results) == []
    assert draw_dark_curves(results) is None
    assert list(tmp_path.iterdir()) == before


def test_one_run_agrees_with_nobody(tmp_path: Path) -> None:
    write_comparison(tmp_path, {"torch": invented_losses(1)})
    files = draw_pictures(read_comparison(tmp_path))
    assert {file.stem for file in files} == {"curves", "time"}


def test_dashes_in_float64_take_turns_without_a_gap(tmp_path: Path) -> None:
    write_comparison(tmp_path, three(4, 1e-12), "float64", three(2, 1e-3))
    lines = drawn(tmp_path, "train_loss")
    thick, thin = lines[:3], lines[3:]
    assert {line.get_linewidth() for line in thin} == {0.9}
    # matplotlib has no public getter of a dash pattern.
    patterns = [line._unscaled_dash_pattern for line in thick]  # type: ignore[attr-defined]
    dashes = sorted(
        ((on + off - start) % (on + off), on, on + off) for start, (on, off) in patterns
    )
    assert all(line.get_linewidth() > 3 for line in thick)
    begins, ons, periods = zip(*dashes, strict=True)
    assert set(periods) == {sum(ons)}
    assert begins == pytest.approx([0, ons[0], ons[0] + ons[1]])


def test_lines_that_may_part_do_not_take_turns(tmp_path: Path) -> None:
    write_comparison(tmp_path, {**three(4, 1e-3), "torch-concise": invented_losses(4)}, "float32")
    lines = drawn(tmp_path, "train_loss")
    assert len({line.get_linewidth() for line in lines}) == 1
    filled = [line.get_markerfacecolor() != "none" for line in lines]
    assert filled == [False, False, False, True]
    colours = [line.get_color() for line in lines]
    assert colours[1] == colours[3]
    assert len(set(colours)) == 3


def test_equal_values_look_equal(tmp_path: Path) -> None:
    """The axis of one epoch in float64 must not magnify rounding."""
    write_comparison(tmp_path, three(1, 1e-12), "float64")
    axes = drawn(tmp_path, "train_loss")[0].axes
    assert axes is not None
    low, high = axes.get_ylim()
    assert high - low > 1e-3
    sizes = [line.get_markersize() for line in drawn(tmp_path, "train_loss")]
    assert sizes == sorted(set(sizes), reverse=True)  # one marker around the other


def test_a_loss_that_exploded_is_on_a_log_axis(tmp_path: Path) -> None:
    losses = three(3, 1e-3)
    losses["jax"][10:] = 1e20
    write_comparison(tmp_path, losses)
    assert curve_panels(read_comparison(tmp_path))[0].scales[0] == "log"
    losses["jax"][:] = np.nan
    write_comparison(tmp_path, {"jax": losses["jax"]})
    assert curve_panels(read_comparison(tmp_path))[0].scales[0] == "linear"
    assert len(draw_pictures(read_comparison(tmp_path))) == 4


@pytest.mark.parametrize("largest", [1e290, 1.7e308])
def test_a_loss_near_the_largest_number_is_drawn(tmp_path: Path, largest: float) -> None:
    exploded = invented_losses(3)
    exploded[15:] = largest / 16  # the mean of an epoch is a sum first
    exploded[-1] = np.nan
    write_comparison(tmp_path, {"numpy": invented_losses(3), "torch": exploded}, dtype="float64")
    results = read_comparison(tmp_path)
    assert len(draw_pictures(results)) == 6
    assert page_charts(results)


def test_differences_without_numpy_name_another_reference(tmp_path: Path) -> None:
    losses = three(2, 1e-3)
    write_comparison(tmp_path, {"torch": losses["torch"], "jax": losses["jax"]})
    (panel,) = agreement_panels(read_comparison(tmp_path))
    assert panel.title[0] == "|loss − PyTorch's loss| (nats), float32"
    assert [line.series.name for line in panel.lines] == ["jax"]
    expected = np.abs(losses["jax"] - losses["torch"])
    np.testing.assert_array_equal(panel.lines[0].y, expected)


def test_a_point_is_the_largest_difference_of_its_steps(tmp_path: Path) -> None:
    losses = three(3, 1e-3)
    losses["jax"][17] = np.nan
    losses["jax"][20:] = np.inf
    write_comparison(tmp_path, losses, lockstep=[WHOLE_RUN])
    (panel,) = agreement_panels(read_comparison(tmp_path), points=8)
    assert panel.thinned == 4
    assert panel.x_labels == ["1–4", "5–8", "9–12", "13–16", "17–20", "21–24", "25–28", "29–30"]
    distance = np.abs(losses["jax"] - losses["numpy"])
    distance[17] = 0  # a step that is NaN does not hide the others
    largest = [distance[start : start + 4].max() for start in range(0, 20, 4)]
    np.testing.assert_array_equal(panel.lines[1].y, [*largest, np.nan, np.nan, np.nan])
    assert panel.yardstick == 1e-9


def test_a_log_axis_has_a_place_for_zero(tmp_path: Path) -> None:
    losses = three(2, 1e-6)
    losses["jax"] = losses["numpy"].copy()
    write_comparison(tmp_path, losses)
    axes = drawn(tmp_path, "runs", "log")[0].axes
    assert axes is not None
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert "0" in labels
    assert "10⁻⁷" in labels
    zeros = axes.transData.transform((1.0, 0.0))
    low, high = axes.get_window_extent().get_points()[:, 1]
    assert low < zeros[1] < high


def test_bars_show_the_speed_runs(tmp_path: Path) -> None:
    summary = write_comparison(tmp_path, three(3, 1e-12), "float64", three(1, 1e-3))
    seconds, memory = time_bars(read_comparison(tmp_path))
    rows = summary["speed"]["backends"]
    assert [value for _, value in seconds.bars] == [
        row["seconds_per_epoch"] for row in rows.values()
    ]
    assert [value for _, value in memory.bars] == [
        row["peak_rss_bytes"] / 1e6 for row in rows.values()
    ]
    assert seconds.title[0] == "seconds per epoch, float32"
    axes = Figure().subplots()
    draw_bars(axes, seconds)
    assert len({patch.get_hatch() for patch in axes.patches}) == 3  # distinct in grey


def test_titles_are_no_formulas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matplotlib refuses a faulty formula, and drops the $ of a right one."""
    monkeypatch.setattr("d2ldrop.page.panels.title", lambda name: f"$1 & <b>\\frac{{$ {name}")
    write_comparison(tmp_path, three(1, 1e-3))
    draw_pictures(read_comparison(tmp_path))
    for name in NAMES:  # the texts are paths, each after its text as a comment
        text = (tmp_path / f"{name}.svg").read_text("utf-8")
        assert "<!-- $1 &amp; &lt;b&gt;\\frac{$ torch -->" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5"), (1e-12, "10⁻¹²"), (2e-5, "2·10⁻⁵"), (1e20, "10²⁰")],
)
def test_powers_of_ten(value: float, text: str) -> None:
    assert power(value) == text
