"""The code of the notebook that compares the frameworks, each in its own process."""

# %% intro

# %% setup
import ast
import os
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython.display import Markdown

import d2ldrop
from d2ldrop.comparison.looks import COLOURS, MARKERS, STYLES
from d2ldrop.processes.environment import worker_environment

plt.rc("axes", grid=True)
plt.rc("figure", dpi=80)
plt.rc("grid", alpha=0.3)

names = d2ldrop.available_backends()
# Readable without colours, too: line styles and markers differ, and the colours are safe for
# colour-blind readers.
looks = cycler(color=COLOURS, linestyle=STYLES, marker=MARKERS, markerfacecolor=["none"] * 7)
look_of = dict(zip(names, looks(), strict=False))
print(", ".join(map(d2ldrop.title, names)))

# %% listings
modules = {entry.name: entry.value for entry in entry_points(group="d2ldrop.backends")}


def listing(name, function):
    """The source of a function of a backend, read from its file without importing it."""
    source = Path(find_spec(modules[name]).origin).read_text()
    node = next(n for n in ast.parse(source).body if getattr(n, "name", "") == function)
    return f"### {d2ldrop.title(name)}\n```python\n{ast.get_source_segment(source, node)}\n```"


Markdown("\n".join(listing(name, "train_step") for name in names))

# %% data
data = d2ldrop.load_data("auto")
print(f"{data.name}: {len(data.train_images):,} images to train, {len(data.test_images):,} to test")

# %% one-process-each
code = """
import sys
import numpy as np
import d2ldrop

name, file = sys.argv[1:]
backend = d2ldrop.get_backend(name)
ones = backend.from_numpy(np.ones((32, 32), np.float32))
dropped = d2ldrop.dropout_layer(ones, 0.5, seed=0, step=7, site=1)

data = d2ldrop.load_data("auto", train_size=30_000)
run = d2ldrop.train(name, d2ldrop.Recipe(num_epochs=4), data=data)
np.savez(
    file,
    mask=backend.to_numpy(dropped),
    trace=run.trace,
    train_loss=[epoch.train_loss for epoch in run.history],
    test_accuracy=[epoch.test_accuracy for epoch in run.history],
)
"""
folder = tempfile.TemporaryDirectory()
results = {}
for name in names:
    file = Path(folder.name, f"{name}.npz")
    environment = os.environ | worker_environment(name)  # the threads that suit it
    command = [sys.executable, "-c", code, name, file]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    results[name] = np.load(file)

# %% masks
figure, all_axes = plt.subplots(1, len(names), figsize=(1.8 * len(names), 2.2), squeeze=False)
for axes, (name, result) in zip(all_axes[0], results.items(), strict=True):
    axes.imshow(result["mask"], cmap="gray")
    axes.set_title(d2ldrop.title(name))
    axes.set_axis_off()
same = all(np.array_equal(result["mask"], results["numpy"]["mask"]) for result in results.values())
print("all equal:", same)

# %% float32
figure, all_axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
labels = {"train_loss": "training loss (nats)", "test_accuracy": "test accuracy"}
for axes, (key, label) in zip(all_axes, labels.items(), strict=True):
    for name, result in results.items():
        values = result[key]
        axes.plot(range(1, len(values) + 1), values, label=d2ldrop.title(name), **look_of[name])
    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.get_major_locator().set_params(integer=True)
all_axes[0].legend()
plt.show()

# %% float64
data = d2ldrop.load_data(data.name, train_size=30_000)
recipe = d2ldrop.Recipe(num_epochs=1, dtype="float64")
summary = d2ldrop.compare_backends(
    names, recipe, data=data, lockstep_steps=10, out=folder.name, name="float64"
)
for check in summary["lockstep"]:
    print(f"{check['what']}, {check['steps']} steps: in lockstep up to {check['limit']:.0e}")
    for name, difference in check["difference"].items():
        verdict = "in lockstep" if check["in_lockstep"][name] else "APART"
        print(f"{d2ldrop.title(name):>14} {difference:7.0e} {verdict}")

# %% parting
figure, all_axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
steps = len(np.load(Path(summary["folder"], "numpy", "trace.npy")))
traces = {
    "float32": {name: result["trace"][:steps] for name, result in results.items()},
    "float64": {name: np.load(Path(summary["folder"], name, "trace.npy")) for name in names},
}
for axes, (dtype, losses) in zip(all_axes, traces.items(), strict=True):
    for name in names[1:]:
        difference = np.abs(losses[name] - losses["numpy"])
        drawn = np.where(difference > 0, difference, np.nan)  # 0 has no logarithm
        axes.semilogy(
            drawn, label=d2ldrop.title(name), markevery=20, linewidth=0.8, **look_of[name]
        )
    axes.set(xlabel="step", title=dtype)
all_axes[0].set_ylabel("difference of the loss\nfrom NumPy's (nats)")
if len(names) > 1:
    all_axes[1].legend()
plt.show()

# %% exercises
