"""The files of a finished experiment: ``result.json``, ``figure.png`` and ``figure.svg``."""

from __future__ import annotations

import io
from dataclasses import asdict

from d2ldrop.comparison.table import data_title
from d2ldrop.core.files import write_bytes, write_json
from d2ldrop.core.machine import machine
from d2ldrop.experiments.engine.plan import Plan
from d2ldrop.experiments.engine.results import Results
from d2ldrop.experiments.engine.results_table import ComparedMetrics
from d2ldrop.frameworks import title
from d2ldrop.version import __version__


def save_results(plan: Plan, results: Results, compared: ComparedMetrics) -> None:
    """Write the files into the plan's folder.

    "machine" in ``result.json`` is this machine, even if a dask cluster ran the jobs.
    """
    experiment, folder = plan.experiment, plan.folder.path
    content = {
        **plan.to_dict(),
        "d2ldrop_version": __version__,
        "machine": machine(),
        "question": experiment.question,
        "seeds": results.seeds,
        "baseline": experiment.baseline,
        "metrics": dict(experiment.metrics),
        "tables": {
            metric: {name: asdict(entry) for name, entry in entries.items()}
            for metric, entries in compared.items()
        },
        "conclusion": experiment.conclusion(results) if len(results.seeds) > 1 else None,
        "runs": [
            {"arm": arm.name, "seed": seed, **results.runs[arm.name, seed]}
            for arm in results.arms
            for seed in results.seeds
        ],
    }
    write_json(folder / "result.json", content)
    figure = experiment.draw(results)
    figure.suptitle(f"{title(plan.backend)}, {data_title(plan.to_dict())}", fontsize=9)
    for kind in ("png", "svg"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=150)
        write_bytes(folder / f"figure.{kind}", buffer.getvalue())
