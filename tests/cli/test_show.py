"""``d2ldrop show``: the source of a function in several backends."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from rich.console import Console

from d2ldrop.backend import backend_names
from d2ldrop.cli.main import cli
from d2ldrop.cli.source_columns import THEME, SideBySide, Source, columns
from d2ldrop.cli.source_difference import SIGNS, Difference
from d2ldrop.page.listings import find_listing, function_names
from tests.page.contrast import contrast

Capture = pytest.CaptureFixture[str]


def show(*arguments: str) -> None:
    cli.main(["show", *arguments], standalone_mode=False)


def refused(*arguments: str) -> str:
    """The message of a bad argument."""
    with pytest.raises(click.ClickException) as caught:
        show(*arguments)
    assert caught.value.exit_code == 2
    return caught.value.format_message()


def lines_of(name: str, backend: str) -> tuple[str, ...]:
    listing = find_listing(name, backend)
    assert listing is not None
    return listing.lines


def printed(shown: SideBySide | Difference, width: int) -> list[str]:
    """The lines in a terminal of that width."""
    out = StringIO()
    Console(file=out, width=width).print(shown)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_list_has_every_function(capsys: Capture) -> None:
    show()
    out = capsys.readouterr().out
    rows = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│")]
    names = [row[0].strip() for row in rows if row[0].strip()]
    assert names == function_names(backend_names())
    assert [r[2].strip() for r in rows if r[0].strip() == "train_steps"] == ["tensorflow, jax"]


def test_piped_output_is_plain_and_has_120_columns(capsys: Capture) -> None:
    show("predict")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert {len(line) for line in out.splitlines() if line} == {58 + 3 + 58}
    first, second = out.splitlines()[:2]
    assert first.split() == ["NumPy", "d2ldrop_numpy.py:149", "PyTorch", "d2ldrop_torch.py:104"]
    assert second.count("def predict(params: list[Array], X: Array) -> Array:") == 2


def test_a_missing_function_is_said(capsys: Capture) -> None:
    show("train_steps", "torch", "jax")
    out = capsys.readouterr().out
    assert "PyTorch has no function train_steps." in out
    assert "d2ldrop_jax_compiled.py" in out


@pytest.mark.parametrize(("width", "number"), [(40, 1), (80, 1), (119, 2), (120, 2), (200, 3)])
def test_as_many_columns_as_fit(width: int, number: int) -> None:
    names = ("numpy", "torch", "jax", "paddle")
    sources = [Source(name, "", lines_of("mlp", name), "") for name in names]
    lines = printed(SideBySide(sources), width)
    assert max(map(len, lines)) <= width
    assert [name for name in names if name in lines[0]] == list(names[:number])
    assert "".join(lines).count("    return H2 @ W3 + b3") == 3


def test_short_lines_need_less_than_a_whole_column() -> None:
    assert columns(60, 25, 6) == 2
    assert columns(60, 90, 6) == 1
    assert columns(10, 90, 6) == 1
    assert columns(500, 90, 2) == 2


def test_the_rest_of_a_long_line_is_indented() -> None:
    source = Source("A", "", ["def f():", f"    return {' + '.join(['number'] * 10)}"], "")
    lines = printed(SideBySide([source]), 50)
    assert len(lines) > 3
    assert [len(line) - len(line.lstrip()) for line in lines[2:]] == [4, *[8] * (len(lines) - 3)]
    assert " ".join(" ".join(lines[2:]).split()) == source.lines[1].strip()


def test_differences_have_signs() -> None:
    left = Source("A", "", ["def f(x):", "    y = torch.rand(x)", "    return y"], "")
    right = Source("B", "", ["def f(x):", "    y = jax.rand(x)", "    z = 1", "    return y"], "")
    assert printed(Difference(left, right), 30) == [
        "- A", "+ B", "  def f(x):", "-     y = torch.rand(x)",
        "+     y = jax.rand(x)", "+     z = 1", "      return y",
    ]  # fmt: skip
    wide = printed(Difference(left, right), 120)
    assert [line[:58].rstrip() for line in wide] == [
        "- A", "  def f(x):", "-     y = torch.rand(x)", "", "      return y",
    ]  # fmt: skip
    assert [line[61:] for line in wide] == [
        "+ B", "  def f(x):", "+     y = jax.rand(x)", "+     z = 1", "      return y",
    ]  # fmt: skip


def test_the_rest_of_a_long_line_is_indented_behind_its_sign() -> None:
    words = [["    return " + " + ".join([word] * 8)] for word in ("first", "second")]
    left, right = (Source("A", "", lines, "") for lines in words)
    lines = printed(Difference(left, right), 40)
    assert lines[2:] == [
        "-     return first + first + first +",
        "          first + first + first + first",
        "          + first",
        "+     return second + second + second +",
        "          second + second + second +",
        "          second + second",
    ]


def test_words_that_differ_are_emphasised() -> None:
    out = StringIO()
    sources = [Source("A", "", [f"a = {word}.rand(x)"], "") for word in ("torch", "jax")]
    Console(file=out, width=80, force_terminal=True, color_system="256").print(Difference(*sources))
    assert "\x1b[1;4mtorch\x1b[0m.rand(x)" in out.getvalue()
    assert "\x1b[1;4mjax\x1b[0m.rand(x)" in out.getvalue()


def test_differences_from_a_backend_that_lacks_the_function(capsys: Capture) -> None:
    show("train_steps", "--diff", "torch", "jax")
    out = capsys.readouterr().out
    assert "PyTorch has no function train_steps." in out
    assert "+ def train_steps(" in out


def test_control_characters_in_a_source_become_escapes() -> None:
    source = Source("A\x1b", "\x1b", ["x = 1  # \x1b[31m"], "")
    assert "\x1b" not in "".join(printed(SideBySide([source]), 80))
    assert r"# \x1b[31m" in "".join(printed(SideBySide([source]), 80))


def test_colours_can_be_read_on_white_and_on_black() -> None:
    styles = [*THEME.style_map.values(), *(style for _, style in SIGNS)]
    colours = [style.color.get_truecolor().hex[1:] for style in styles if style.color is not None]
    assert len(colours) == len(styles) == 10
    for colour in colours:
        assert min(contrast(colour, "ffffff"), contrast(colour, "000000")) >= 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["droput_layer"], "'droput_layer': d2ldrop show lists all names; did you mean 'dropout_l"),
        (["dropout"], "did you mean 'dropout_layer'?"),
        (["predict", "tf"], "unknown backend 'tf': expected one of numpy, torch, tensorflow"),
        (["predict", "pytorch"], "did you mean 'torch'?"),
        (["predict", "--diff", "jax", "padle"], "did you mean 'paddle'?"),
        (["torch", "predict"], "'torch' is a backend: give a function first"),
        (["predict", "numpy", "--diff", "jax", "torch"], "--diff takes the two backends"),
        (["predict", "--diff", "jax", "jax"], "--diff must be two different backends, got 'jax'"),
        (["--diff", "jax", "torch"], "--diff needs the name of a function, or --html"),
        (["predict", "--html", "."], "--html must be a file, but . is a folder: give another name"),
        (["predict", "--html", ""], "--html must be a file, got '': give the name of a file"),
        (["predict", "--html", "a\nb"], "--html must be printable text"),
    ],
)
def test_bad_arguments(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_page_of_one_function(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "new" / "page.html"
    show("predict", "--diff", "torch", "jax", "--html", str(path))
    assert capsys.readouterr().out == f"Page: {path}\n"
    html = path.read_text(encoding="utf-8")
    assert 'data-chosen="torch" data-compared="jax"' in html
    assert 'id="code-predict-jax"' in html
    assert "code-mlp" not in html
    assert f"--html must be a new file, but {path} exists" in refused("mlp", "--html", str(path))
    assert path.read_text(encoding="utf-8") == html


def test_a_page_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--html must be a file in a folder" in refused("--html", str(tmp_path / "file" / "x"))


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)  # no room for the name of the temporary file
    message = refused("predict", "--html", str(path))
    assert f"--html must be a file that can be written, but {path} cannot: " in message
    assert f".{path.name}-" not in message


def test_a_page_of_all_functions_on_stdout(capsys: Capture) -> None:
    show("--html", "-")
    html = capsys.readouterr().out
    assert html.startswith("<!doctype html>")
    assert html.rstrip().endswith("</html>")
    assert all(f'id="code-{name}"' in html for name in function_names(backend_names()))
    assert len(html) < 400_000


def test_a_shell_completes_functions_and_backends() -> None:
    complete = ShellComplete(cli, {}, "d2ldrop", "_D2LDROP_COMPLETE")
    found = complete.get_completions(["show"], "concise_")
    assert [item.value for item in found] == [
        "concise_mlp", "concise_step", "concise_predict", "concise_params",
    ]  # fmt: skip
    assert [item.value for item in complete.get_completions(["show", "mlp"], "t")] == [
        "torch", "tensorflow",
    ]  # fmt: skip


def test_no_framework_is_loaded() -> None:
    before = set(sys.modules)
    show("mlp")
    assert not any(name.startswith("d2ldrop_") for name in set(sys.modules) - before)
