"""The code of each framework's notebook. BACKEND stands for the framework's import name.

Nothing here depends on one framework. The listings are read from its backend.
"""

# %% intro

# %% setup
import os
from dataclasses import replace
from inspect import getclosurevars, getsource, isclass, isfunction, unwrap

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython.display import Markdown, display

import d2ldrop
from d2ldrop.comparison.looks import COLOURS, MARKERS, STYLES
from d2ldrop.core.noise import LayerNoise, noise_layer
from d2ldrop.d2l import Animator
from d2ldrop.data import to_network
from d2ldrop.processes.environment import worker_environment

# Readable without colours, too: line styles and markers differ, and the colours are safe for
# colour-blind readers.
plt.rc("axes", prop_cycle=cycler(color=COLOURS, linestyle=STYLES, marker=MARKERS))
plt.rc("figure", figsize=(6, 3.2), dpi=80)
plt.rc("grid", alpha=0.3)

shown = {}


def show(*parts):
    """Show the source of parts of the backend, then of the parts that they use; each only once."""
    queue, found = list(map(unwrap, parts)), []
    for part in queue:
        if part in found or shown.setdefault(part, parts) != parts:
            continue
        found.append(part)
        used = getclosurevars(part).globals.values() if isfunction(part) else ()
        parts_used = [u for u in map(unwrap, used) if isfunction(u) or isclass(u)]
        queue += [u for u in parts_used if u.__module__.startswith("d2ldrop_")]
    source = "\n\n".join(map(getsource, found))
    display(Markdown(f"```python\n{source}```"))


os.environ |= worker_environment("BACKEND")  # the number of threads that suits it
backend = d2ldrop.get_backend("BACKEND")
Markdown(backend.__doc__)

# %% why-noise
rng = np.random.default_rng(0)
n, sigma = 20, 0.5
X = rng.standard_normal((n, 4))
y = X @ [3.0, -2.0, 1.0, 0.0] + rng.standard_normal(n)


def fit(X, y, penalty=0.0):
    """Least squares with a penalty on the squared weights."""
    return np.linalg.solve(X.T @ X + penalty * np.eye(X.shape[1]), X.T @ y)


copies = 20_000
noisy = np.tile(X, (copies, 1)) + sigma * rng.standard_normal((copies * n, 4))
for name, w in {
    "the data as they are": fit(X, y),
    f"{copies:,} noisy copies": fit(noisy, np.tile(y, copies)),
    "weight decay, n sigma²": fit(X, y, penalty=n * sigma**2),
}.items():
    print(f"{name:>22}: w = {w.round(2)}")

# %% layer
show(backend.dropout_layer)

# %% three-calls
X = backend.from_numpy(np.arange(16, dtype=np.float32).reshape(2, 8))
backend.manual_seed(0)
for dropout in (0.0, 0.5, 1.0):
    print(f"dropout = {dropout}", backend.dropout_layer(X, dropout), sep="\n", end="\n\n")

# %% expectation
draws = np.stack([backend.to_numpy(backend.dropout_layer(X, 0.5)) for _ in range(4000)])
print("X   ", backend.to_numpy(X)[1])
print("mean", draws.mean(axis=0)[1].round(1))
print(f"dropped: {np.mean(draws.reshape(4000, -1)[:, 1:] == 0):.3f}")

# %% shared-mask
d2ldrop.dropout_layer(X, 0.5, seed=0)

# %% parameters
show(backend.init_params)
recipe = d2ldrop.Recipe(num_epochs=5)
weights = d2ldrop.initial_weights(recipe.seed, recipe.sizes)
params = backend.init_params(list(weights.values()))
for name, param in zip(weights, params, strict=True):
    print(name, tuple(param.shape))

# %% model
show(LayerNoise, noise_layer, backend.mlp)

# %% train-step
show(backend.cross_entropy, backend.train_step)

# %% data
data = d2ldrop.load_data("auto")
print(f"{data.name}: {len(data.train_images):,} images to train, {len(data.test_images):,} to test")


# %% train
def train(**options):
    """Train, and draw the curves again after each epoch."""
    animator = Animator(
        "epoch",
        "loss (nats), accuracy",
        legend=["train loss", "train accuracy", "test accuracy"],
        xlim=(1, recipe.num_epochs),
        ylim=(0, 1.3),
        figsize=(5, 3),
    )
    animator.axes[0].xaxis.get_major_locator().set_params(integer=True)

    def draw(result):
        metrics = result.train_loss, result.train_accuracy, result.test_accuracy
        animator.add(result.epoch, metrics)

    return d2ldrop.train("BACKEND", recipe, data=data, on_epoch=draw, **options)


run = train()

# %% concise
show(backend.concise_mlp, backend.concise_step)

# %% train-concise
concise_run = train(implementation="concise")
for trained in (run, concise_run):
    last = trained.history[-1]
    print(
        f"{trained.implementation:>8}: train loss {last.train_loss:.3f},"
        f" test accuracy {last.test_accuracy:.3f}"
    )

# %% evaluation
show(backend.predict)

params = backend.init_params(list(run.weights.values()))
X = backend.from_numpy(to_network(data.test_images, recipe.dtype))


def test_accuracy(logits):
    """The fraction of test images that are classified correctly."""
    return np.mean(backend.to_numpy(logits).argmax(axis=1) == data.test_labels)


print(f"dropout off: {test_accuracy(backend.predict(params, X)):.4f}")
dropout_on = LayerNoise(recipe.dropout[0]), LayerNoise(recipe.dropout[1])
for _ in range(3):
    print(f"dropout on:  {test_accuracy(backend.mlp(params, X, dropout_on)):.4f}")

# %% few-images
few = d2ldrop.load_data(data.name, train_size=500, test_size=1000)
small = replace(recipe, num_epochs=150, batch_size=50, lr=0.1)
print("                 train accuracy  test accuracy  test loss (nats)")
figure, axes = plt.subplots()
for label, noise in {"with dropout": "dropout", "without dropout": "none"}.items():
    fitted = d2ldrop.train("BACKEND", replace(small, noise=noise), data=few)
    train_as_test = replace(few, test_images=few.train_images, test_labels=few.train_labels)
    _, train_accuracy = d2ldrop.evaluate(fitted.weights, "BACKEND", train_as_test)
    loss, accuracy = d2ldrop.evaluate(fitted.weights, "BACKEND", data)
    print(f"{label:15} {train_accuracy:15.3f} {accuracy:14.3f} {loss:17.3f}")
    losses = [result.train_loss for result in fitted.history]
    axes.semilogy(range(1, len(losses) + 1), losses, label=label, markevery=15)
axes.set(xlabel="epoch", ylabel="training loss (nats)")
axes.grid()
axes.legend()
plt.show()

# %% mc-dropout
images, labels = data.test_images[:1000], data.test_labels[:1000]
prediction = d2ldrop.predict_mc(
    run.weights, to_network(images, recipe.dtype), 50, backend="BACKEND", dropout=recipe.dropout
)
correct = prediction.mean.argmax(axis=1) == labels
by_entropy = np.argsort(prediction.entropy)
print(f"accuracy of the mean of 50 masks: {correct.mean():.3f}")
figure, axes = plt.subplots(figsize=(5, 2.6))
axes.bar(range(1, 6), [correct[fifth].mean() for fifth in np.split(by_entropy, 5)], color="0.6")
axes.set(xlabel="fifth of the images, from certain to uncertain", ylabel="accuracy")
plt.show()

# %% mc-images
chosen = np.argsort(prediction.mutual_information)
figure, all_axes = plt.subplots(2, 6, figsize=(7, 2.8), layout="constrained")
for row, images_of_row in zip(all_axes, (chosen[:6], chosen[-6:]), strict=True):
    for axes, i in zip(row, images_of_row, strict=True):
        axes.imshow(images[i], cmap="gray_r")
        axes.set_title(f"{prediction.mutual_information[i]:.2f} nats", fontsize=8)
        axes.set_axis_off()
figure.suptitle("mutual information of label and mask", fontsize=9)
plt.show()

# %% exercises

# %% references
