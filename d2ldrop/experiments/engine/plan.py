"""The plan of an experiment: its checked arguments and its jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from d2ldrop.core.checks import check_positive
from d2ldrop.core.recipe import Recipe
from d2ldrop.data import Dataset, DataSource
from d2ldrop.experiments import Arm, Experiment, Setting, find_experiment
from d2ldrop.experiments.engine.jobs import ExperimentJob
from d2ldrop.processes.interpreters import check_usable, usable_backends
from d2ldrop.processes.options import WorkerOptions
from d2ldrop.training.folder import NamedFolder

Key = tuple[str, int]
"""A run of an experiment: the arm's name and the seed."""


@dataclass(frozen=True)
class Plan:
    """An experiment that is ready to run; ``plan_experiment`` makes it.

    Attributes:
        folder: the folder of the results.
        name: the experiment's name.
        backend: the framework that the user chose.
        recipe: the user's hyper-parameters; its seed is the first one.
        seeds: one run of each arm per seed.
        arms: the trainings to compare.
        data: the images.
        data_dir: the folder of Fashion-MNIST, if the user chose one.
        options: the settings of the workers.
    """

    folder: NamedFolder
    name: str
    backend: str
    recipe: Recipe
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    data: Dataset
    data_dir: str | os.PathLike[str] | None
    options: WorkerOptions

    @property
    def experiment(self) -> Experiment:
        """The definition of the experiment."""
        return find_experiment(self.name)

    def to_dict(self) -> dict[str, Any]:
        """The fields that identify the experiment, and its seeds, as ``plan.json`` holds them."""
        choices = _choices(self.name, self.backend, self.recipe)
        return {**choices, **self.data.identity, "seeds": list(self.seeds)}

    def jobs(self) -> dict[Key, ExperimentJob]:
        """The run of each arm for each seed, in the order of the seeds."""
        images = {size: self._first(size) for size in {arm.train_size for arm in self.arms}}
        hashes = {size: data.sha256 for size, data in images.items()}
        return {
            (arm.name, seed): ExperimentJob(
                backend=arm.backend or self.backend,
                experiment=self.name,
                recipe=replace(arm.recipe, seed=seed),
                source=self._source(images[arm.train_size]),
                dataset_sha256=hashes[arm.train_size],
            )
            for seed in self.seeds
            for arm in self.arms
        }

    def _first(self, size: int | None) -> Dataset:
        """The data with the first ``size`` training images."""
        images, labels = self.data.train_images[:size], self.data.train_labels[:size]
        return replace(self.data, train_images=images, train_labels=labels)

    def _source(self, data: Dataset) -> DataSource:
        data_dir = self.data_dir if data.name == "fashion-mnist" else None
        return DataSource(data.name, data_dir, len(data.train_images), len(data.test_images))


def plan_experiment(
    name: str,
    folder: NamedFolder,
    backend: str = "numpy",
    recipe: Recipe | None = None,
    *,
    seeds: int = 5,
    data: DataSource | str = "auto",
    timeout: float = 300,
    pythons: Mapping[str, str] | None = None,
) -> Plan:
    """Check all arguments, then load the images and plan the runs; nothing is written.

    Args:
        name: the experiment's name.
        folder: the folder of the results, which ``NamedFolder.claim`` has locked. If it holds
            finished runs of this experiment, they are kept.
        backend: the framework that trains.
        recipe: the hyper-parameters that the experiment varies; the book's if not given.
        seeds: the number of runs of each arm; their seeds start at the recipe's.
        data: where the images come from. Workers load them again, possibly on other machines.
        timeout: seconds without a report after which a worker counts as hung.
        pythons: for each backend in another environment, its Python interpreter.

    Raises:
        ValueError, TypeError: a bad argument, or the folder holds another experiment.
        ModuleNotFoundError: a framework is not installed.
        DataError: the images were not found, or a file is corrupt.
        OSError: worker processes cannot run on this system.
    """
    experiment = find_experiment(name)
    # One thread per worker, so that the results do not depend on the number of simultaneous jobs.
    options = WorkerOptions(threads=1, timeout=timeout, pythons=pythons or {})
    check_usable(backend, options.pythons)
    backends = [backend]
    if experiment.backends:
        backends = experiment.backends(backend, usable_backends(options.pythons))
    backends = options.choose_backends(backends)
    recipe = Recipe() if recipe is None else recipe
    first = recipe.seed
    all_seeds = tuple(range(first, first + check_positive(seeds, "seeds")))
    source = DataSource(data) if isinstance(data, str) else data
    choices = _choices(name, backend, recipe)
    folder.refuse_other(_but_seed(choices))
    dataset = source.load()
    folder.refuse_other(_but_seed({**choices, **dataset.identity}))
    arms = tuple(experiment.arms(Setting(recipe, len(dataset.train_images), backends)))
    return Plan(folder, name, backend, recipe, all_seeds, arms, dataset, source.data_dir, options)


def _choices(name: str, backend: str, recipe: Recipe) -> dict[str, Any]:
    """The part of a plan's identity that is known before the images are loaded."""
    return {"experiment": name, "backend": backend, "recipe": recipe.to_dict()}


def _but_seed(identity: dict[str, Any]) -> dict[str, Any]:
    """``identity`` without the seed, because more seeds may be added to an experiment."""
    recipe = {key: value for key, value in identity["recipe"].items() if key != "seed"}
    return {**identity, "recipe": recipe}
