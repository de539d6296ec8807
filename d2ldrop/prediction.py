"""Average predictions over dropout masks: exactly, by Monte Carlo or by weight scaling.

Dropout trains 2**n networks that share their weights, one for each mask of the n hidden units. This
module computes their average in three ways, for an MLP of ReLU layers with softmax outputs:

- ``exact_average``: all masks of a small network, each weighted by its probability;
- ``predict_mc``: a sample of the masks of any network, on any framework (Monte Carlo);
- ``weight_scaling``: one pass without dropout. If the logits are linear in the masks, this is
  exactly the normalised geometric mean. Otherwise it is an approximation.

The original form of dropout (``Recipe(scaling="original")``) does not rescale in training. For
prediction, ``scale_weights`` multiplies each outgoing weight by its unit's keep probability.

Sources: Hinton et al., arXiv:1207.0580 (2012), and Srivastava et al., "Dropout" (JMLR 15, 2014),
sections 4, 7.5 and 10, for the original form, its average, and the inverted form; Baldi and
Sadowski, "Understanding dropout" (NIPS 2013), and Goodfellow, Bengio and Courville, *Deep Learning*
(2016), section 7.12, for the geometric mean; Gal and Ghahramani, arXiv:1506.02142 (2016), for Monte
Carlo; Houlsby et al., arXiv:1112.5745 (2011), for mutual information.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from d2ldrop.backend import check_device, get_backend
from d2ldrop.core.arrays import Weights
from d2ldrop.core.checks import check_positive, check_probability
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.core.noise import LayerNoise
from d2ldrop.core.randomness import Purpose

Float64 = npt.NDArray[np.float64]
Layers = list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]

MAX_UNITS = 20
BLOCK = 2**14  # rows of activations that exact_average holds at a time


@dataclass(frozen=True)
class MCPrediction:
    """Statistics of the class probabilities over the sampled masks; float64, n images.

    ``variance`` divides by num_samples, so the standard error of ``mean`` is about
    sqrt(variance / num_samples). ``mutual_information`` is that of the label and the mask
    (BALD): ``entropy`` minus the mean entropy of the samples. It is high where confident networks
    disagree.
    """

    mean: Float64  # (n, 10)
    variance: Float64  # (n, 10)
    entropy: Float64  # (n,), of the mean, in nats
    mutual_information: Float64  # (n,), in nats


@dataclass(frozen=True)
class ExactAverage:
    """Means of the class probabilities over all masks, each weighted by its probability."""

    arithmetic: Float64  # (n, classes)
    geometric: Float64  # (n, classes), normalised: each row sums to 1


def predict_mc(
    weights: Weights,
    X: npt.NDArray[Any],
    num_samples: int,
    *,
    backend: str = "numpy",
    dropout: Sequence[float] = (0.2, 0.5),
    seed: int = 0,
    device: str = "cpu",
) -> MCPrediction:
    """Predict with dropout left on, ``num_samples`` times, on one framework (MC dropout).

    The masks come from the shared stream, so every framework averages the same networks. They are
    drawn for all of ``X`` at once: a different selection of images gets different masks.

    Args:
        weights: W1 (784, h1), b1 (h1,), W2, b2, W3 (h2, 10), b3 as ``load_weights`` returns them,
            trained with inverted dropout. Apply ``scale_weights`` to those of the original form.
        X: images (n, 784), in [0, 1]; cast to the dtype of W1. Other layer sizes work too.
        num_samples: the number of masks, at least 1.
        backend: the framework's import name.
        dropout: the drop probability of each hidden layer.
        seed: an integer in [0, 2**64) that selects the masks.
        device: "cpu", "gpu" or "gpu:N".

    Returns:
        The statistics. NumPy computes softmax and averages in float64 for every framework.

    Raises:
        TypeError, ValueError: an argument is not as described above.
        ImportError: the framework is not installed, or cannot be loaded into this process.

    Source: Gal and Ghahramani, arXiv:1506.02142, section 4; for the mutual information Houlsby et
    al., arXiv:1112.5745, section 2.

    >>> from d2ldrop import initial_weights
    >>> prediction = predict_mc(initial_weights(0, (784, 8, 8, 10)), np.ones((2, 784)), 5)
    >>> prediction.mean.shape, prediction.entropy.round(3)
    ((2, 10), array([2.303, 2.303]))
    """
    layers = _layers(weights)
    if len(layers) != 3:
        raise ValueError(f"weights must be of two hidden layers, got {len(layers) - 1}")
    X, rates = _check_inputs(X, layers), _check_dropout(dropout, 2)
    num_samples = check_positive(num_samples, "num_samples")
    module = get_backend(backend)
    device = check_device(module, backend, device)
    params = module.init_params([array for layer in layers for array in layer], device)
    images = module.from_numpy(X.copy(), device)

    mean, squares = np.zeros((2, len(X), len(layers[-1][1])))
    mean_entropy = np.zeros(len(X))
    for sample in range(num_samples):
        first, second = (
            module.from_numpy(
                dropout_mask(
                    (len(X), len(b)), p, seed=seed, step=sample, site=site, purpose=Purpose.MC
                ),
                device,
            )
            for site, ((_, b), p) in enumerate(zip(layers[:-1], rates, strict=True))
        )
        noise = LayerNoise(rates[0], first), LayerNoise(rates[1], second)
        logits = module.mlp(params, images, noise)
        probabilities = np.exp(_log_softmax(module.to_numpy(logits).astype(np.float64)))
        deviation = probabilities - mean  # Welford's running mean and sum of squares
        mean += deviation / (sample + 1)
        squares += deviation * (probabilities - mean)
        mean_entropy += (_entropy(probabilities) - mean_entropy) / (sample + 1)
    entropy = _entropy(mean)
    return MCPrediction(
        mean=mean,
        variance=squares / num_samples,
        entropy=entropy,
        mutual_information=np.maximum(entropy - mean_entropy, 0),  # rounding may give -1e-16
    )


def exact_average(weights: Weights, X: npt.NDArray[Any], dropout: Sequence[float]) -> ExactAverage:
    """Average the predictions over all 2**n masks of a small network with n hidden units.

    Only units with 0 < p < 1 count in n: the others are always kept or always dropped.

    Args:
        weights: W1 (inputs, h1), b1 (h1,), … of one hidden layer or more, trained with inverted
            dropout.
        X: inputs (n, inputs), floating-point.
        dropout: the drop probability of each hidden layer.

    Raises:
        TypeError, ValueError: an argument is not as described above, or n is above 20.

    Source: *Deep Learning*, section 7.12, with each mask's probability instead of 1 / 2**n.
    """
    layers = _layers(weights, np.float64)
    X, rates = _check_inputs(X, layers), _check_dropout(dropout, len(layers) - 1)
    widths = [len(b) for _, b in layers[:-1]]
    p = np.repeat(rates, widths)  # of each hidden unit
    units = np.flatnonzero((p > 0) & (p < 1))
    if units.size > MAX_UNITS:
        raise ValueError(
            f"the exact average takes at most {MAX_UNITS} dropped hidden units, got {units.size}: "
            f"2**{units.size} masks; predict_mc samples them"
        )
    arithmetic, log_geometric = np.zeros((2, len(X), len(layers[-1][1])))
    block = max(1, BLOCK // max(1, len(X)))
    for start in range(0, 2**units.size, block):
        index = np.arange(start, min(start + block, 2**units.size))
        keep = np.tile(p < 1, (len(index), 1))
        keep[:, units] = index[:, None] >> np.arange(units.size) & 1  # bits of the index: the mask
        probability = np.where(keep, 1 - p, p).prod(axis=1)
        scale = keep / np.where(p < 1, 1 - p, 1)
        factors = np.split(scale[:, None, :], np.cumsum(widths)[:-1], axis=2)
        log_probabilities = _log_softmax(_logits(layers, X, factors))
        arithmetic += np.tensordot(probability, np.exp(log_probabilities), axes=1)
        log_geometric += np.tensordot(probability, log_probabilities, axes=1)
    return ExactAverage(arithmetic, np.exp(_log_softmax(log_geometric)))


def weight_scaling(weights: Weights, X: npt.NDArray[Any]) -> Float64:
    """The usual prediction, without dropout: class probabilities (n, classes) in float64.

    Inverted dropout scales the activations in training, so its weights are used unchanged. Apply
    ``scale_weights`` to the weights of the original form first. Arguments and errors are those of
    ``exact_average``.
    """
    layers = _layers(weights, np.float64)
    X = _check_inputs(X, layers)
    return np.exp(_log_softmax(_logits(layers, X, [np.ones(1)] * (len(layers) - 1))))


def scale_weights(weights: Weights, dropout: Sequence[float]) -> dict[str, npt.NDArray[Any]]:
    """Multiply the outgoing weights of each hidden layer by its keep probability 1 - p.

    This is the test-time rule of the original form. For every mask, inverted dropout with the
    scaled weights equals the original form with ``weights``. So every function of this module that
    takes weights of inverted dropout takes the scaled weights.

    Args:
        weights: W1, b1, … of one hidden layer or more; not modified.
        dropout: the drop probability of each hidden layer.

    Raises:
        TypeError, ValueError: an argument is not as described above.

    Source: Srivastava et al. (JMLR 15, 2014), section 4, figure 2.

    >>> ones = {"W1": np.ones((1, 2)), "b1": np.ones(2), "W2": np.ones((2, 1)), "b2": np.ones(1)}
    >>> scale_weights(ones, [0.25])["W2"]
    array([[0.75],
           [0.75]])
    """
    layers = _layers(weights)
    keep = [1.0, *(1 - p for p in _check_dropout(dropout, len(layers) - 1))]
    scaled: dict[str, npt.NDArray[Any]] = {}
    for number, ((W, b), k) in enumerate(zip(layers, keep, strict=True), start=1):
        scaled[f"W{number}"], scaled[f"b{number}"] = W * k, b.copy()
    return scaled


def _logits(layers: Layers, X: npt.NDArray[Any], factors: Sequence[Float64]) -> Float64:
    """The network's logits; each hidden layer is multiplied by its factor after the activation."""
    H: Any = X
    for (W, b), factor in zip(layers[:-1], factors, strict=True):
        H = np.maximum(H @ W + b, 0) * factor
    W, b = layers[-1]
    logits: Float64 = H @ W + b
    return logits


def _log_softmax(logits: Float64) -> Float64:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probabilities: Float64 = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_probabilities


def _entropy(probabilities: Float64) -> Float64:
    """Entropy in nats; 0 log 0 is 0."""
    logs = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    entropy: Float64 = (probabilities * -logs).sum(axis=1)
    return entropy


def _layers(weights: Weights, dtype: npt.DTypeLike | None = None) -> Layers:
    """Contiguous pairs (W, b), all with ``dtype``; the dtype of W1 if it is None."""
    count = len(weights) // 2
    if count < 2 or set(weights) != {f"{kind}{i + 1}" for kind in "Wb" for i in range(count)}:
        raise ValueError(
            "weights must be W1, b1, W2, b2 and so on, of one hidden layer or more, "
            f"got {', '.join(weights)}"
        )
    layers: Layers = []
    for i in range(1, count + 1):
        W, b = np.asarray(weights[f"W{i}"]), np.asarray(weights[f"b{i}"])
        if not all(np.issubdtype(array.dtype, np.floating) for array in (W, b)):
            raise TypeError(f"W{i} and b{i} must be floating-point, got {W.dtype} and {b.dtype}")
        inputs = layers[-1][1].shape if layers else W.shape[:1]
        if W.ndim != 2 or W.shape[:1] != inputs or b.shape != W.shape[1:]:
            raise ValueError(
                f"W{i} and b{i} must have shapes (inputs, outputs) and (outputs,), inputs the "
                f"outputs of the layer before, got {W.shape} and {b.shape}"
            )
        dtype = dtype or W.dtype
        layers.append((np.ascontiguousarray(W, dtype), np.ascontiguousarray(b, dtype)))
    return layers


def _check_inputs(X: npt.NDArray[Any], layers: Layers) -> npt.NDArray[Any]:
    W1 = layers[0][0]
    if not isinstance(X, np.ndarray) or not np.issubdtype(X.dtype, np.floating):
        kind = X.dtype if isinstance(X, np.ndarray) else type(X).__name__
        raise TypeError(f"X must be a floating-point NumPy array, got {kind}")
    if X.ndim != 2 or X.shape[1] != len(W1):
        raise ValueError(f"X must have shape (n, {len(W1)}), got {X.shape}")
    return np.ascontiguousarray(X, W1.dtype)


def _check_dropout(dropout: Sequence[float], count: int) -> list[float]:
    if not isinstance(dropout, (tuple, list, np.ndarray)):
        raise TypeError(f"dropout must be {count} values, one per hidden layer, got {dropout!r}")
    if len(dropout) != count:
        raise ValueError(
            f"dropout must be {count} values, one per hidden layer, got {len(dropout)}"
        )
    return [check_probability(p, "dropout") for p in dropout]
