"""The names of the book: both versions of section 4.6 run on each framework as printed."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ldrop.backend import Backend
from d2ldrop.d2l._curves import LATE, Accumulator, Animator, LateAccumulator, train
from d2ldrop.d2l._loader import Loader, resized
from d2ldrop.data import load_data
from tests.d2l.listings import BATCH_SIZE, LISTINGS

FRAMEWORKS = ("torch", "tensorflow", "mxnet", "paddle")


# The Paddle listing calls to_tensor with a tensor.
@pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning")
@pytest.mark.slow
@pytest.mark.only(*FRAMEWORKS)
@pytest.mark.parametrize("version", ["scratch", "concise"])
def test_the_books_listings_train(d2l: Any, backend_name: str, version: str) -> None:
    """Train for ten epochs, as in the book. With the real images, the book's limits must hold."""
    net, loss, updater = LISTINGS[backend_name, version](d2l)
    train_iter, test_iter = d2l.load_data_fashion_mnist(BATCH_SIZE)
    expected = (
        {"max_loss": 0.5, "min_accuracy": 0.7} if load_data("auto").name == "fashion-mnist" else {}
    )
    curves = d2l.train_ch3(net, train_iter, test_iter, loss, 10, updater, **expected)
    losses, accuracies, test_accuracies = curves.Y
    print(backend_name, version, losses[-1], accuracies[-1], test_accuracies[-1])
    assert all(np.array_equal(X, range(1, 11)) for X in curves.X)
    assert losses[-1] < min(losses[0], 1.0)
    assert test_accuracies[-1] == d2l.evaluate_accuracy(net, test_iter)


def test_all_modules_have_the_same_functions_and_parameters() -> None:
    """Only TensorFlow has Updater, and its sgd has one more parameter, grads."""
    outlines = {}
    for framework in FRAMEWORKS:
        source = Path(find_spec("d2ldrop.d2l").submodule_search_locations[0])  # type: ignore[union-attr, index] # it is a package
        tree = ast.parse((source / f"{framework}.py").read_text())
        (names,) = (node.value for node in tree.body if isinstance(node, ast.Assign))
        functions = {
            node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)
        }
        public = ast.literal_eval(names)
        outlines[framework] = (
            public,
            {
                name: [arg.arg for arg in (*functions[name].args, *functions[name].kwonlyargs)]
                for name in functions
                if name in public
            },
        )
    grads = outlines["tensorflow"][1]["sgd"]
    assert grads == ["params", "grads", "lr", "batch_size"]
    grads.remove("grads")
    outlines["tensorflow"][0].remove("Updater")
    assert all(outline == outlines["torch"] for outline in outlines.values())
    assert len(outlines["torch"][1]) == 12


@pytest.mark.only(*FRAMEWORKS)
def test_batches_have_the_shapes_and_values_of_the_book(
    d2l: Any, backend: Backend[Any], backend_name: str
) -> None:
    """The order changes in each epoch, and a seed gives the same order again."""
    train_iter, test_iter = d2l.load_data_fashion_mnist(250)
    data = load_data("auto")
    X, y = next(iter(test_iter))
    images = data.test_images[:250].astype(np.float32) / 255
    found = backend.to_numpy(X)
    assert found.shape == ((250, 28, 28, 1) if backend_name == "tensorflow" else (250, 1, 28, 28))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.reshape(images.shape), images, rtol=1e-6)
    np.testing.assert_array_equal(backend.to_numpy(y), data.test_labels[:250])
    firsts = []
    for seed in (1, None, 1):
        if seed is not None:
            backend.manual_seed(seed)
        firsts.append(np.array(backend.to_numpy(next(iter(train_iter))[1])))
    np.testing.assert_array_equal(firsts[0], firsts[2])
    assert (firsts[0] != firsts[1]).any()
    X, _ = next(iter(d2l.load_data_fashion_mnist(2, resize=64)[0]))
    assert sorted(X.shape) == [1, 2, 64, 64]


@pytest.mark.only(*FRAMEWORKS)
def test_training_uses_dropout_and_evaluation_does_not(d2l: Any, backend_name: str) -> None:
    net, loss, updater = LISTINGS[backend_name, "concise"](d2l)
    train_iter, test_iter = d2l.load_data_fashion_mnist(BATCH_SIZE)
    train_iter.images, train_iter.labels = train_iter.images[:2560], train_iter.labels[:2560]
    test_iter.images, test_iter.labels = test_iter.images[:500], test_iter.labels[:500]
    trained = [d2l.train_epoch_ch3(net, train_iter, loss, updater)[1] for _ in range(3)]
    found = [d2l.evaluate_accuracy(net, test_iter) for _ in range(3)]
    assert len(set(found)) == 1  # without dropout, all evaluations are equal
    assert max(trained) > 0.1
    train_iter.images, train_iter.labels = train_iter.images[:256], train_iter.labels[:256]
    losses = [
        d2l.train_epoch_ch3(net, train_iter, loss, without_learning(backend_name, updater))[0]
        for _ in range(2)
    ]
    # The weights do not change, so only different masks can change the loss this much.
    assert abs(losses[0] - losses[1]) > 1e-4


def without_learning(backend_name: str, updater: Any) -> Any:
    """The updater with a learning rate of 0."""
    if backend_name == "torch":
        updater.param_groups[0]["lr"] = 0.0
    elif backend_name == "tensorflow":
        updater.learning_rate = 0.0
    elif backend_name == "mxnet":
        updater.set_learning_rate(0.0)
    else:
        updater.set_lr(0.0)
    return updater


@pytest.mark.only(*FRAMEWORKS)
def test_sgd_divides_the_gradient_of_a_sum_by_the_batch_size(
    d2l: Any, backend: Backend[Any], backend_name: str
) -> None:
    (param,) = backend.init_params([np.array([[1.0, 2.0]])])
    X = backend.from_numpy(np.array([[3.0, 5.0]]))
    if backend_name == "tensorflow":
        d2l.sgd([param], [X], 0.5, 10)
    elif backend_name == "mxnet":
        from mxnet import autograd

        with autograd.record():
            total = (param * X).sum()
        total.backward()
        d2l.sgd([param], 0.5, 10)
    else:
        (param * X).sum().backward()
        d2l.sgd([param], 0.5, 10)
    np.testing.assert_allclose(backend.to_numpy(param), [[0.85, 1.75]], rtol=1e-6)


@pytest.mark.only(*FRAMEWORKS)
def test_accuracy_counts_correct_predictions(d2l: Any, backend: Backend[Any]) -> None:
    y_hat = backend.from_numpy(np.array([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]]))
    assert d2l.accuracy(y_hat, backend.from_numpy(np.array([0, 2]))) == 1.0
    column = backend.from_numpy(np.array([[0.0], [1.0], [0.0]]))  # classes, not logits
    assert d2l.accuracy(column, backend.from_numpy(np.array([0, 1, 1]))) == 2.0


@pytest.mark.only("tensorflow")
def test_changes_of_a_keras_network_take_effect(d2l: Any) -> None:
    """Graphs do not outlive a call, each batch size has its own, and run_eagerly is respected."""
    import tensorflow as tf

    class Noisy(tf.keras.layers.Layer):  # type: ignore[misc, name-defined, unused-ignore] # keras has no types
        def call(self, X: Any) -> Any:
            return X + tf.random.uniform(X.shape)  # needs a known shape while tracing

    net = tf.keras.Sequential([tf.keras.layers.Flatten(), Noisy(), tf.keras.layers.Dense(10)])
    X, y = tf.ones((8, 28, 28, 1)), tf.zeros(8, tf.int32)
    batches = [(X, y), (X[:5], y[:5]), (X[:3], y[:3])]
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    updater = tf.keras.optimizers.SGD(0.0)
    assert d2l.train_epoch_ch3(net, batches, loss, updater)[0] > 0
    bias = net.layers[-1].bias
    found = []
    for k in (0, 1):
        bias.assign(tf.one_hot(k, 10) * 1e6)
        net.pop()
        net.add(tf.keras.layers.Dense(10, bias_initializer=tf.constant_initializer(bias.numpy())))
        found.append(d2l.evaluate_accuracy(net, batches))
    assert found == [1.0, 0.0]
    eagerly: list[bool] = []

    def call(X: Any) -> Any:
        eagerly.append(tf.executing_eagerly())
        return X

    net.layers[1].call = call
    for run_eagerly in (False, True):
        net.compile(run_eagerly=run_eagerly)
        d2l.evaluate_accuracy(net, batches[:1])
    assert eagerly[-1]
    assert not eagerly[0]


# The code that all modules share, without a framework


def test_limits_are_checked_only_if_they_are_given() -> None:
    def run(**expected: Any) -> Animator:
        limits = {"max_loss": None, "min_accuracy": None, **expected}
        return train(2, lambda: (0.6, 0.8), lambda: 0.75, **limits)

    curves = run()
    assert curves.Y == [[0.6, 0.6], [0.8, 0.8], [0.75, 0.75]]
    run(max_loss=0.6, min_accuracy=0.75)
    with pytest.raises(AssertionError, match=r"training loss of at most 0\.5, got 0\.6000"):
        run(max_loss=0.5)
    with pytest.raises(AssertionError, match=r"test accuracy from 0\.78 to 1, got 0\.7500"):
        run(min_accuracy=0.78)
    with pytest.raises(ValueError, match="num_epochs"):
        train(0, lambda: (0.6, 0.8), lambda: 0.75, None, None)


def test_a_nan_loss_exceeds_the_limit() -> None:
    with pytest.raises(AssertionError, match="got nan"):
        train(1, lambda: (float("nan"), 0.8), lambda: 0.75, 0.5, None)


def test_the_curves_are_drawn_without_a_screen(tmp_path: Any) -> None:
    animator = Animator(xlabel="epoch", legend=["loss", "acc"], xlim=(1, 3), ylim=(0, 1))
    animator.add(1, (0.5, None))
    animator.add(2, (0.25, 0.75))
    assert (animator.X, animator.Y) == ([[1.0, 2.0], [2.0]], [[0.5, 0.25], [0.75]])
    animator.fig.savefig(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_an_accumulator_adds_and_resets() -> None:
    metric = Accumulator(2)
    metric.add(1, 2.5)
    metric.add(np.float32(1), 0)
    assert (metric[0], metric[1]) == (2.0, 2.5)
    metric.reset()
    assert metric[0] == 0
    with pytest.raises(ValueError, match="add takes 2 values, got 1"):
        metric.add(1)


def test_a_late_accumulator_reads_all_values_later() -> None:
    class Scalar:
        """A framework's scalar: reading it waits for its computation."""

        read = 0

        def __float__(self) -> float:
            Scalar.read += 1
            return 1.0

    metric = LateAccumulator(1)
    for _ in range(LATE + 3):
        metric.add(Scalar())
    assert Scalar.read == 3
    assert metric[0] == LATE + 3.0


def test_an_accumulator_adds_the_current_value() -> None:
    total, metric = np.zeros(()), Accumulator(1)
    for _ in range(4):
        total += 1
        metric.add(total)
    assert metric[0] == 1 + 2 + 3 + 4


def test_the_last_batch_may_be_smaller_and_images_are_resized() -> None:
    images = np.arange(7 * 784, dtype=np.uint64).astype(np.uint8).reshape(7, 28, 28)
    loader = Loader(images, np.arange(7, dtype=np.uint8), 3, lambda X, y: (X, y), None, 56)
    batches = list(loader)
    assert len(loader) == 3
    assert [X.shape for X, _ in batches] == [(3, 56, 56), (3, 56, 56), (1, 56, 56)]
    assert np.concatenate([y for _, y in batches]).tolist() == list(range(7))
    constant = np.full((1, 28, 28), 9, np.uint8)
    assert (resized(constant, 40) == 9).all()


def test_axes_fit_the_curves_unless_limits_are_given() -> None:
    animator = Animator(xlabel="epoch", legend=["loss"], nrows=1, ncols=2)
    animator.add(1, 40.0)
    animator.add(20, 2.0)
    (x0, x1), (y0, y1) = animator.axes[0].get_xlim(), animator.axes[0].get_ylim()
    assert x0 < 1 < 20 < x1
    assert y0 < 2 < 40 < y1
    assert animator.axes == animator.fig.axes
    assert len(animator.axes) == 2
    assert Animator(ylim=(0, 1)).axes[0].get_ylim() == (0, 1)
