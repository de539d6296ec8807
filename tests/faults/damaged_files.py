"""Damages saved state in many ways, and counts what its readers make of it.

``python -m tests.faults.damaged_files N`` damages a file N times. Each time a reader must refuse
the file by name, or read exactly what was there before: a changed space, for example, changes
nothing. A comparison may also measure its checks again. A reader must never believe something else,
and never fail with another error.
"""

from __future__ import annotations

import json
import pickle
import random
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from d2ldrop import Recipe, compare_backends, load_data, load_weights, train
from d2ldrop.comparison.checks import plan_checks
from d2ldrop.comparison.kept_results import kept_results
from d2ldrop.comparison.plan import Variant
from d2ldrop.core.files import DamagedFileError
from d2ldrop.data import DataSource
from d2ldrop.experiments.engine.job_files import keep, read_job
from d2ldrop.experiments.engine.jobs import ExperimentJob
from d2ldrop.training import saved_run
from d2ldrop.training.differences import OtherRunError
from d2ldrop.training.folder import NamedFolder, RunFolder

REFUSED, SAME, AGAIN, BELIEVED, FAILED = (
    "refused by name",
    "read the same",
    "measured again",
    "believed though different",
    "other exceptions",
)
OUTCOMES = (REFUSED, SAME, AGAIN, BELIEVED, FAILED)
RECIPE = Recipe(num_epochs=2, batch_size=64, num_hiddens=(4, 3))
SOURCE = DataSource("stand-in", train_size=150, test_size=20)
Reader = Callable[[Path], Any]


@dataclass(frozen=True)
class Target:
    """Files that one reader reads together.

    Attributes:
        name: what the files are.
        folder: the folder of the files.
        files: their names.
        reader: reads them, given the folder; it returns what it believes.
    """

    name: str
    folder: Path
    files: tuple[str, ...]
    reader: Reader


@dataclass(frozen=True)
class Finding:
    """An outcome that must not be, and how to get there again."""

    number: int
    target: str
    damage: str
    outcome: str
    detail: str


def make_targets(root: Path) -> list[Target]:
    """Small real runs, a comparison, an experiment's run and an interrupted run under ``root``."""
    targets = []
    recipes = {
        "first": RECIPE,
        "second": replace(RECIPE, seed=1),
        "double": replace(RECIPE, dtype="float64"),
    }
    data = load_data("stand-in", train_size=SOURCE.train_size, test_size=SOURCE.test_size)
    finished = ("result.json", "trace.npy", "weights.safetensors")
    for name, recipe in recipes.items():
        folder = root / name / "numpy"
        train("numpy", recipe, data=data, folder=folder, record=("activations",))
        targets.append(Target(f"finished run, {name}", folder, finished, _run_reader(folder)))
        targets.append(Target(f"weights, {name}", folder, finished[2:], _read_weights))
        folder = root / f"{name}-interrupted" / "numpy"
        _interrupt(recipe, data, folder)
        targets.append(
            Target(
                f"interrupted run, {name}",
                folder,
                ("checkpoint.safetensors",),
                _run_reader(folder),
            )
        )
    options: dict[str, Any] = {"data": data, "out": root, "lockstep_steps": 2}
    for name in ("one", "two"):
        compare_backends(["numpy"], RECIPE, name=name, **options)
        reader = _summary_reader(root / name)
        targets.append(Target(f"comparison, {name}", root / name, ("summary.json",), reader))
    for seed in (0, 1):
        job = ExperimentJob("numpy", "dropconnect", replace(RECIPE, seed=seed), SOURCE, "0" * 64)
        measured = {"test_error": 10.0 + seed, "train_loss": 0.5}
        folder = root / f"job-{seed}"
        assert keep(job, {"measured": [measured], "framework_version": "1"}, folder) is None
        files = (job.file_name,)
        targets.append(Target(f"experiment's run, {seed}", folder, files, _job_reader(job)))
    return targets


def _interrupt(recipe: Recipe, data: Any, folder: Path) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    try:
        train("numpy", recipe, data=data, folder=folder, on_epoch=stop)
    except KeyboardInterrupt:
        return


def _run_reader(folder: Path) -> Reader:
    """Read a run as a resume does, which knows the identity of its run."""
    original = saved_run.read(folder)
    assert original is not None
    identity = original.identity.deciding()

    def read(folder: Path) -> Any:
        RunFolder(folder).refuse_other(identity)
        saved = saved_run.read(folder)
        assert saved is not None
        arrays = {**saved.weights, "trace": saved.trace}
        return saved.values, {k: (str(a.dtype), a.shape, a.tobytes()) for k, a in arrays.items()}

    return read


def _read_weights(folder: Path) -> Any:
    weights = load_weights(folder / "weights.safetensors")
    return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in weights.items()}


def _summary_reader(folder: Path) -> Reader:
    """Read a summary as a resume does: what does it keep?"""
    named = NamedFolder(folder, "comparison")
    original = named.read()
    assert original is not None
    asked = {name: original[name] for name in ("recipe", "record", "device", "dataset_sha256")}
    variants = [Variant("numpy")]
    checks = plan_checks(RECIPE, variants, original["lockstep"][0]["steps"], 0)
    results = {variants[0]: [named.backend("numpy").read_result()]}

    def read(folder: Path) -> Any:
        named.refuse_other(asked)
        kept = kept_results(named.read(), checks, results)
        return kept if kept.rows else None

    return read


def _job_reader(job: ExperimentJob) -> Reader:
    return lambda folder: read_job(folder / job.file_name, job)


# Damages: each takes the content of a file and returns another one.


def flip_bits(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Flip one to three bits."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def flip_early_bit(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Flip a bit near the beginning, where headers are."""
    damaged = bytearray(content)
    damaged[chance.randrange(min(len(damaged), 700))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def truncate(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Keep only the beginning."""
    return content[: chance.randrange(len(content))]


def double(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Repeat some bytes."""
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.choice((1, 8, 64, len(content))))
    return content[:end] + content[start:]


def remove(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Remove some bytes."""
    start = chance.randrange(len(content))
    return content[:start] + content[start + chance.choice((1, 8, 64)) :]


def overwrite(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Replace some bytes by zeros or noise, as a disk does that loses a block."""
    start, size = chance.randrange(len(content)), chance.choice((1, 8, 512))
    block = bytes(size) if chance.random() < 0.5 else chance.randbytes(size)
    return (content[:start] + block + content[start + size :])[: len(content)]


def other_file(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Take the file of another run."""
    return chance.choice(others)


def edit_json(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Change, remove or add a field of JSON, wherever the file has some."""
    if content[:1] == b"{":
        return json.dumps(_edited(json.loads(content), chance)).encode()
    if content[:6] == b"\x93NUMPY":
        return _edit_npy(content, chance)
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    metadata = header.get("__metadata__", {})
    if "run" in metadata and chance.random() < 0.7:
        metadata["run"] = json.dumps(_edited(json.loads(metadata["run"]), chance))
    else:
        header = _edited(header, chance)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _edit_npy(content: bytes, chance: random.Random) -> bytes:
    old, new = chance.choice(
        ((b"<f8", b"<f4"), (b"<f8", b"<i8"), (b"False", b"True "), (b"<f8", b"|O8"), (b"(", b"[("))
    )
    return content.replace(old, new)


def _edited(value: Any, chance: random.Random) -> Any:
    """``value`` with one change somewhere inside."""
    if isinstance(value, dict) and value:
        name = chance.choice(list(value))
        how = chance.random()
        if how < 0.1:
            return {k: v for k, v in value.items() if k != name}
        if how < 0.15:
            return {**value, chance.choice(("extra", "format", "digest")): 1}
        return {**value, name: _edited(value[name], chance)}
    if isinstance(value, list) and value:
        index = chance.randrange(len(value))
        how = chance.random()
        if how < 0.1:
            return value[:index] + value[index + 1 :]
        if how < 0.2:
            return [*value[: index + 1], *value[index:]]
        return [*value[:index], _edited(value[index], chance), *value[index + 1 :]]
    if isinstance(value, (int, float)) and chance.random() < 0.5:
        return chance.choice((value + 1, -value, value * 2, float(value), 10**30))
    return chance.choice((None, True, 0, -1, 1e308, "", "other", [], {}, [[]], "9" * 20))


def other_dtype(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Write the arrays in another dtype, or pickled."""
    dtype = chance.choice(("f2", "f4", "f8", "i4"))
    if content[:6] == b"\x93NUMPY":
        array = np.frombuffer(content[128:], "<f8")
        if chance.random() < 0.3:
            return pickle.dumps(array)
        header = content[:128].replace(b"<f8", f"<{dtype}".encode())
        return header + array.astype(dtype).tobytes()
    if content[:1] == b"{":
        return pickle.dumps(json.loads(content))
    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    return save({name: array.astype(dtype) for name, array in load(content).items()}, metadata)


DAMAGES = (
    *(flip_bits, flip_early_bit, truncate, double, remove, overwrite),
    *(other_file, edit_json, other_dtype),
)


@contextmanager
def small_runs() -> Iterator[list[Target]]:
    """The targets, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="d2ldrop-faults-") as root, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield make_targets(Path(root))


def damage_files(
    targets: list[Target], number: int, seed: int = 0, *, damages: Any = DAMAGES
) -> tuple[Counter[tuple[str, str]], list[Finding]]:
    """Damage a file ``number`` times and read it; return the outcomes and what must not be.

    Case i depends on ``seed`` and i only. The files are as before afterwards.
    """
    counts: Counter[tuple[str, str]] = Counter()
    findings = []
    originals = {
        target.folder / file: (target.folder / file).read_bytes()
        for target in targets
        for file in target.files
    }
    expected = {target.name: target.reader(target.folder) for target in targets}
    for case in range(number):
        chance = random.Random(f"{seed}-{case}")
        target, damage = chance.choice(targets), chance.choice(damages)
        path = target.folder / chance.choice(target.files)
        content = originals[path]
        kin = [o for p, o in originals.items() if p.suffix == path.suffix and o != content]
        damaged = damage(content, chance, kin or [b""])
        path.write_bytes(damaged)
        outcome, detail = _read(target, expected[target.name])
        path.write_bytes(content)
        counts[damage.__name__, outcome] += 1
        if outcome in (BELIEVED, FAILED):
            name = f"{damage.__name__} of {path.name}"
            findings.append(Finding(case, target.name, name, outcome, detail))
    return counts, findings


def _read(target: Target, expected: Any) -> tuple[str, str]:
    """The outcome of reading damaged files, and its details."""
    try:
        found = target.reader(target.folder)
    except (DamagedFileError, OtherRunError) as error:
        named = str(target.folder) in str(error) and ": " in str(error)
        return (REFUSED, str(error)) if named else (FAILED, repr(error))
    except Exception as error:  # noqa: BLE001 - the harness counts every other error
        return FAILED, repr(error)
    if found == expected:
        return SAME, ""
    return (AGAIN, "") if found is None else (BELIEVED, repr(found)[:200])


def main() -> None:
    """Print a table of the damages and their outcomes; exit status 1 if one must not be."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with small_runs() as targets:
        counts, findings = damage_files(targets, number, seed)
    width = max(len(damage.__name__) for damage in DAMAGES)
    print(" " * width, *OUTCOMES, sep="  ")
    for (_, outcome), n in list(counts.items()):
        counts["all", outcome] += n
    for name in [*(damage.__name__ for damage in DAMAGES), "all"]:
        row = [counts[name, outcome] for outcome in OUTCOMES]
        cells = [f"{n:>{len(outcome)},}" for n, outcome in zip(row, OUTCOMES, strict=True)]
        print(f"{name:{width}}", *cells, sep="  ")
    for finding in findings[:20]:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
