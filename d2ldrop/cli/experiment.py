"""``d2ldrop experiment``."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from typing import Any

import click
from click.core import ParameterSource

from d2ldrop.cli.completion import complete_backend, complete_experiment
from d2ldrop.cli.options import (
    TIMEOUT,
    data_options,
    place_options,
    pythons_option,
    recipe_options,
    take_data_source,
    take_recipe,
)
from d2ldrop.cli.output import OUTPUT, show
from d2ldrop.cli.progress import Progress, say_how_to_resume
from d2ldrop.cli.report import results_in, save_report
from d2ldrop.cli.resume import resumable
from d2ldrop.comparison.layout import printable
from d2ldrop.core.checks import check_positive
from d2ldrop.core.machine import cores
from d2ldrop.core.recipe import Recipe
from d2ldrop.experiments import ABOUT
from d2ldrop.training.folder import NamedFolder


class ExperimentCommand(click.Command):
    """A command whose help lists the experiments."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description, then one line per experiment."""
        super().format_help_text(ctx, formatter)
        with formatter.section("Experiments"):
            formatter.write_dl(list(ABOUT.items()))


@click.command(cls=ExperimentCommand)
@click.argument("experiment_name", metavar="NAME", shell_complete=complete_experiment)
@click.option(
    "--backend",
    default="numpy",
    show_default=True,
    help="The framework that trains.",
    shell_complete=complete_backend,
)
@click.option("--seeds", type=int, default=5, show_default=True, help="Runs of each arm.")
@click.option("--jobs", type=int, help="Runs at the same time.  [default: all cores]")
@click.option("--dask", metavar="ADDRESS", help="Run them on the workers of this dask scheduler.")
@click.option("--resume", is_flag=True, help="Keep the finished runs of --name and continue.")
@click.option("--timeout", type=float, default=300, show_default=True, help=TIMEOUT)
@pythons_option
@recipe_options
@data_options
@place_options
@resumable("experiment")
def experiment(
    experiment_name: str,
    backend: str,
    seeds: int,
    jobs: int | None,
    dask: str | None,
    pythons: dict[str, str],
    timeout: float,
    out: str,
    name: str | None,
    resume: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Answer an exercise of the section with numbers.

    Options that the experiment NAME varies itself are refused.
    """
    for module in ("joblib", "scipy"):
        if not importlib.util.find_spec(module):
            raise ModuleNotFoundError(
                f'experiment needs {module}: pip install "d2ldrop[experiments]"'
            )
    if dask and not importlib.util.find_spec("distributed"):
        raise ModuleNotFoundError('--dask needs distributed: pip install "d2ldrop[dask]"')
    from d2ldrop.experiments.engine.plan import plan_experiment
    from d2ldrop.experiments.engine.results_files import save_results
    from d2ldrop.experiments.engine.results_table import compare_metrics, remarks, results_table
    from d2ldrop.experiments.engine.runner import run_experiment
    from d2ldrop.experiments.engine.varied import refuse_varied

    jobs = check_positive(cores() if jobs is None else jobs, "jobs")
    recipe = take_recipe(options)
    refuse_varied(experiment_name, recipe, _given_fields())
    progress = Progress(quiet)

    def on_epochs(done: int, total: int) -> None:
        progress(backend, {"event": "step", "phase": "experiment", "done": done, "total": total})

    with NamedFolder.claim("experiment", out, name, resume=resume) as folder:
        plan = plan_experiment(
            experiment_name,
            folder,
            backend,
            recipe,
            seeds=seeds,
            data=take_data_source(options),
            timeout=timeout,
            pythons=pythons,
        )
        with progress:
            try:
                results, failed = run_experiment(
                    plan, num_jobs=jobs, dask=dask, on_epochs=on_epochs
                )
            except KeyboardInterrupt:
                progress.close()
                save_report(folder.path)
                say_how_to_resume(folder.path, "runs")
                raise
            progress.close()
            status = 1 if failed else 0
            for (arm, seed), error in failed.items():
                click.echo(printable(f"'{arm}', seed {seed}, failed: {error}"), err=True)
            if results.seeds:
                compared = compare_metrics(plan.experiment, results)
                OUTPUT.results, what = folder.path, "Figure, table and runs"
                try:
                    save_results(plan, results, compared)
                except Exception as error:  # noqa: BLE001 - a figure must not cost the table
                    click.echo(f"The figure and the table could not be saved: {error}", err=True)
                    what, status = "Runs", 1
                else:
                    status = status if save_report(folder.path) else 1
                table = results_table(plan, results, compared)
                show(table, remarks(plan, results, compared), results_in(what, folder.path))
    sys.exit(status)


def _given_fields() -> list[str]:
    """The fields of the recipe that the command line sets, without those of the preset."""
    context = click.get_current_context()
    return [
        field.name
        for field in dataclasses.fields(Recipe)
        if context.get_parameter_source(field.name) is ParameterSource.COMMANDLINE
    ]
