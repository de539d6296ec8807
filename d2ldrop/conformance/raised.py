"""An exception that a backend raised, as one sentence instead of a traceback."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType

from d2ldrop.entry_points import modules_of

PLACES = {
    "dropout_layer": "layer forward",
    "traced_layer": "traced layer",
    "cross_entropy": "loss",
    "train_step": "step",
    "train_steps": "compiled steps",
    "clip_norms": "max-norm",
    "mlp": "network",
    "predict": "evaluation",
    "manual_seed": "seeding",
    "concise_mlp": "concise",
    "concise_step": "concise",
    "concise_predict": "concise",
    "concise_params": "concise",
}
"""The place that each function belongs to; the others belong to the contract."""
PACKAGE = Path(__file__).resolve().parents[1]


def described(error: BaseException, trace: TracebackType | None, name: str) -> tuple[str, str]:
    """The place of the fault, and a sentence such as ``train_step raised ValueError: …``.

    Args:
        error: the exception.
        trace: its traceback.
        name: the framework's import name.
    """
    frames = [frame for frame in traceback.extract_tb(trace) if not _is_pytest(frame.filename)]
    mine = [frame for frame in frames if _is_backend(frame.filename, name)]
    what = f"{type(error).__name__}: {_first_lines(error)}"
    if mine:
        first, last = mine[0], mine[-1]
        place = PLACES.get(first.name, "contract")
        return place, f"{first.name} raised {what} ({_short(last.filename)}:{last.lineno})"
    where = f" ({_short(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return "contract", f"the check ended with {what}{where}"


def comes_from(trace: TracebackType | None, name: str) -> bool:
    """Whether an exception with this traceback passed through the backend of ``name``."""
    return any(_is_backend(frame.filename, name) for frame in traceback.extract_tb(trace))


def _first_lines(error: BaseException, most: int = 400) -> str:
    # str(error) would fail if the exception's own __str__ does.
    message = str(traceback.TracebackException.from_exception(error))
    text = " ".join(message.split()) or "no message"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _short(file: str) -> str:
    path = Path(file)
    return f"{path.parent.name}/{path.name}" if path.stem == "__init__" else path.name


def _is_pytest(file: str) -> bool:
    return {"_pytest", "pluggy"} & set(Path(file).parts) != set()


def _is_backend(file: str, name: str) -> bool:
    """Whether the file belongs to the backend: its modules, and what is beside or below them."""
    path = Path(file).resolve()
    if path.is_relative_to(PACKAGE):
        return False
    tops = {"d2ldrop"}  # a backend may be made of the functions of another one
    for group in ("d2ldrop.backends", "d2ldrop.compiled"):
        if (entry := modules_of(group).get(name)) is not None:
            tops.add(entry.value.partition(".")[0])
    # d2ldrop_numpy_layers belongs to d2ldrop_numpy, as my_package.layers does to my_package.
    names = [path.stem, *(parent.name for parent in path.parents)]
    return any(
        part in tops - {"d2ldrop"} or part.startswith(tuple(f"{top}_" for top in tops))
        for part in names
    )
