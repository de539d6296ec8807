"""Copy the results of a run folder into docs/results, for ``tables.py --from``.

Each file has the columns of one table, the order of its rows, and its measurements. A measurement
has a date, a machine, versions, a command, and the rows that it gave.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from d2ldrop import Recipe, title
from d2ldrop.bench.timing import ratios, spread

RESULTS = Path(__file__).parent / "results"


def take_in(folder: Path) -> str:
    """Copy the results of a run folder into its file in ``docs/results``; return the table's name.

    Raises:
        ValueError: the run failed, is not in lockstep, did not use all of Fashion-MNIST, or has not
            recorded its machine.
        FileNotFoundError: the folder has no results.
    """
    for file, read in (
        ("bench.json", _read_bench),
        ("summary.json", _read_summary),
        ("result.json", _read_experiment),
    ):
        path = folder / file
        if path.exists():
            result = json.loads(path.read_text("utf-8"))
            date = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
            if (result["dataset"], result["train_size"]) != ("fashion-mnist", 60_000):
                raise ValueError(f"{path} must be a run with all of Fashion-MNIST")
            name, measurement = read(result)
            head = {"date": date, "machine": _machine(result, path)}
            _merge(RESULTS / f"{name}.json", head | measurement)
            return name
    raise FileNotFoundError(f"{folder} has no bench.json, summary.json or result.json")


def _machine(result: dict[str, Any], path: Path) -> dict[str, str]:
    machines = [row["machine"] for row in result.get("backends", {}).values() if "machine" in row]
    machine = result.get("machine") or next(iter(machines), None)
    if machine is None:
        raise ValueError(f"{path} does not say on which machine it was measured")
    return {
        "processor": machine["processor"],
        "cores": f"{machine['cores']} cores",
        "system": machine["platform"].partition("-")[0],
        "python": machine["python"],
    }


def _read_bench(result: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the table and the rows of a benchmark: median, or median [quartiles]."""
    kind, rows, versions = result["kind"], {}, []
    for name, figures in result["backends"].items():
        if "error" in figures:
            raise ValueError(f"{title(name)} failed: {figures['error']}")
        rows[title(name)] = BENCHMARKS[kind](figures)
        version = figures.get("machine", {}).get("framework_version", "")
        versions.append(f"{title(name)} {version}".rstrip())
    command = f"d2ldrop bench {kind} --rounds {result['rounds']}"
    return f"bench-{kind}", {"versions": versions, "command": command, "rows": rows}


def _train_cells(figures: dict[str, Any]) -> list[str]:
    timings = figures["timings"]
    paths = [name for name in timings if name.startswith("products: ")]
    floor = timings[min(paths, key=lambda name: statistics.median(timings[name]))]
    ours = timings["d2ldrop"]
    usual = {k: v for k, v in timings.items() if k not in (*paths, "d2ldrop")}
    return [
        _spread(floor),
        _spread(ours),
        _spread(ratios(ours, floor)),
        "; ".join(f"{name} {_spread(values)}" for name, values in usual.items()) or "–",
        "; ".join(_spread(ratios(values, ours)) for values in usual.values()) or "–",
        f"{figures['memory_over_import_bytes'] / 1e6:.0f}",
    ]


def _spread(values: list[float]) -> str:
    low, middle, high = spread(values)
    return f"{middle:.2f} [{low:.2f}–{high:.2f}]"


def _layer_cells(figures: dict[str, Any]) -> list[str]:
    cells: dict[tuple[int, bool], list[str]] = {}  # by shape and direction; one text per p
    for case in figures["cases"]:
        ours, own = case["timings"]["d2ldrop"], case["timings"]["own"]
        rate = statistics.median(case["n"] ** 2 / 1e9 / seconds for seconds in ours)
        cell = f"{rate:.2f} (×{statistics.median(ratios(own, ours)):.1f})"
        cells.setdefault((case["n"], case["backward"]), []).append(cell)
    return [" / ".join(cells[n, both]) for n in (256, 4096) for both in (False, True)]


def _startup_cells(figures: dict[str, Any]) -> list[str]:
    return [f"{statistics.median(seconds):.2f}" for seconds in figures["timings"].values()]


def _growth_cells(figures: dict[str, Any]) -> list[str]:
    cost = {
        (case["what"], case["value"], case["dtype"]): 1e6
        * statistics.median(case["seconds_per_image"])
        for case in figures["cases"]
    }
    return [
        *(f"{cost['batch_size', n, 'float32']:.1f}" for n in (16, 256, 4096, 16384)),
        *(f"{cost['num_hiddens', n, 'float32']:.0f}" for n in (64, 1024, 4096)),
        f"{cost['batch_size', 256, 'float64']:.1f}",
    ]


BENCHMARKS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "train": _train_cells,
    "layer": _layer_cells,
    "startup": _startup_cells,
    "growth": _growth_cells,
}


def _read_summary(summary: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the table and the rows of a comparison: whole runs, the book's recipe, or another."""
    if not summary["ok"]:
        raise ValueError(f"{summary['folder']}: a row failed or is not in lockstep")
    backends = summary["backends"]
    versions = [f"{title(name)} {row['framework_version']}" for name, row in backends.items()]
    checks = {check["what"]: check for check in summary["lockstep"]}
    recipe, given = summary["recipe"], _recipe_options(summary["recipe"])
    if summary.get("speed"):
        if given or recipe["num_epochs"] != Recipe().num_epochs:
            raise ValueError(f"{summary['folder']}: the first table shows the book's recipe")
        return "comparison", {"versions": versions, **_main_job(summary, checks["whole run"])}
    if "whole run" in checks:
        seed = str(recipe["seed"])
        rows = {seed: _differences("lockstep-seeds", checks["whole run"])}
        command = f"d2ldrop compare --dtype float64 --seed SEED{given}"
        return "lockstep-seeds", {"versions": versions, "command": command, "rows": rows}
    rows = {}
    for what, suffix in (("first steps", ""), ("first steps without noise", " --impl concise")):
        if what in checks:
            rows[f"`{given.strip()}{suffix}`"] = _differences("lockstep-recipes", checks[what])
    steps = summary["lockstep"][0]["steps"]
    command = f"d2ldrop compare --num-epochs 1 --lockstep-steps {steps} OPTIONS"
    return "lockstep-recipes", {"versions": versions, "command": command, "rows": rows}


def _main_job(summary: dict[str, Any], check: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of ``make compare``: results in float64, speed and memory in float32."""
    rows = {}
    for name, row in summary["backends"].items():
        speed = summary["speed"]["backends"][name]
        rows[title(name)] = [
            row["framework_version"],
            f"{row['train_loss']:.6f}",
            f"{row['train_accuracy']:.4f}",
            f"{row['test_accuracy']:.4f}",
            f"{check['difference'][name]:.1e}",
            f"{speed['seconds_per_epoch']:.2f}",
            f"{speed['peak_rss_bytes'] / 1e6:,.0f}",
        ]
    limits = {key: f"{check[key]:.1e}" for key in ("limit", "yardstick")}
    limits["steps"] = f"{check['steps']:,}"
    return {"command": "make compare", "check": limits, "rows": rows}


def _recipe_options(recipe: dict[str, Any]) -> str:
    """Return the options that differ from the book's recipe, except num_epochs, seed, dtype."""
    text = ""
    for name, default in Recipe().to_dict().items():
        value = recipe[name]
        if value != default and name not in ("num_epochs", "seed", "dtype"):
            words = map(str, value) if isinstance(value, list) else [str(value)]
            text += f" --{name.replace('_', '-')} {' '.join(words)}"
    return text


def _differences(name: str, check: dict[str, Any]) -> list[str]:
    """Return the cells of a lockstep table: one difference per framework, then the yardstick."""
    columns = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))["columns"]
    found = {title(row.removesuffix("-concise")): d for row, d in check["difference"].items()}
    cells = [f"{found[column]:.1e}" if column in found else "–" for column in columns[1:-1]]
    return [*cells, f"{check['yardstick']:.1e}"]


def _read_experiment(result: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the table and the row of an experiment. The question keeps its words in the table."""
    name = f"`{result['experiment']}`"
    table = json.loads((RESULTS / "experiments.json").read_text("utf-8"))
    known = {k: row[0] for m in table["measurements"] for k, row in m["rows"].items()}
    versions = {f"{title(result['backend'])} {run['framework_version']}" for run in result["runs"]}
    seeds = len(result["seeds"])
    command = "d2ldrop experiment NAME" + ("" if seeds == 5 else f" --seeds {seeds}")
    row = [known.get(name, result["question"]), result["conclusion"]]
    return "experiments", {"versions": sorted(versions), "command": command, "rows": {name: row}}


def _merge(path: Path, new: dict[str, Any]) -> None:
    """Replace the rows that ``new`` has measured again. The others keep their date and machine.

    A comparison is one run, so it replaces its whole table.
    """
    table = json.loads(path.read_text("utf-8"))
    if "check" in new:
        table |= {"order": [], "measurements": []}
    for old in table["measurements"]:
        old["rows"] = {k: row for k, row in old["rows"].items() if k not in new["rows"]}
    kept = [old for old in table["measurements"] if old["rows"]]
    for old in kept:
        if {**old, "rows": None} == {**new, "rows": None}:
            old["rows"].update(new["rows"])
            break
    else:
        kept.append(new)
    table["order"] = list(dict.fromkeys([*table["order"], *new["rows"]]))
    table["measurements"] = kept
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", "utf-8")
