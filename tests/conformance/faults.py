"""The faults of the mutants, as replacements in the sources."""

from __future__ import annotations

from dataclasses import dataclass

Changes = tuple[tuple[str, str], ...]

COMPILED = '''
"""Several steps in one call, as a compiled module has them."""

import numpy as np
from BACKEND import clip_norms, train_step

kept = {}


def train_steps(params, X, y, lr, noise, weight_decay=0, max_norm=None):
    losses, logits = [], []
    for number in range(len(X)):
        first, second = (
            site if site.mask is None else site._replace(mask=site.mask[number]) for site in noise
        )
        params, loss, out = train_step(
            params, X[number], y[number], lr, (first, second), weight_decay
        )
        if max_norm is not None:
            params = clip_norms(params, max_norm)
        losses.append(loss)
        logits.append(out)
    return params, np.array(losses), np.stack(logits)
'''
"""An honest compiled module for the mutants; BACKEND is the module of the backend."""


@dataclass(frozen=True)
class Mutant:
    """Replacements in the source of the backend, of its layers and of its compiled module.

    ``place`` is the beginning of the message that the suite must give.
    """

    backend: Changes = ()
    layers: Changes = ()
    compiled: Changes = ()
    place: str = ""


def backend(place: str, *changes: tuple[str, str]) -> Mutant:
    """A fault in the backend's module."""
    return Mutant(backend=changes, place=place)


def layers(place: str, *changes: tuple[str, str]) -> Mutant:
    """A fault in the layers of the concise version."""
    return Mutant(layers=changes, place=place)


def compiled(place: str, *changes: tuple[str, str]) -> Mutant:
    """A fault in the compiled steps."""
    return Mutant(compiled=changes, place=place)


LAST = "return mask * X / (1 - dropout)"
FRESH = "mask = generator.random(X.shape, dtype=np.float32) >= dropout"
DRAWN = "mask=generator.random((n, width), dtype=np.float32) >= site.dropout"
SECOND = "noise_layer(dropout_layer, dO @ V3.T, D2.T @ dO, second)"
FIRST = "noise_layer(dropout_layer, dZ2 @ V2.T, D1.T @ dZ2, first)"
UPDATE = "param -= lr * grad"
LOOP = "for param, grad in zip(params, grads, strict=True):"
RESULT = "return params, loss, logits"
FORWARD = "activations = forward(params, X, noise)"
DRAW = "noise = draw_masks(noise, len(X), [len(b) for b in params[1::2]])"
DECAY = "if weight_decay and param.ndim == 2:  # a matrix of weights, not a bias"
NORM = "np.linalg.norm(W, axis=0) / max_norm"
PREDICT = "return mlp(params, X)\n"
MEAN = "loss = (np.log(total[:, 0]) - shifted[correct]).mean()"
GRADIENT = "return loss, dO / len(y)"
UNPACK = "W1, b1, W2, b2, W3, b3 = init_params(arrays)"
SITE = "mask=site.mask[number]"
COPIES = '"""Trainable copies of ``arrays``."""\n'
ADD = '(LayerNoise() if site.kind == "add" else site for site in noise)'


def backward_layer(layer: str) -> tuple[tuple[str, str], ...]:
    """A backward pass with another layer."""
    return (
        (SECOND, SECOND.replace("dropout_layer", layer)),
        (FIRST, FIRST.replace("dropout_layer", layer)),
    )


def ties(slope: str) -> tuple[tuple[str, str], ...]:
    """A derivative of ReLU of ``slope`` at 0."""
    return (
        (
            "H1 = np.maximum(X @ W1 + b1, 0)",
            "Z1 = X @ W1 + b1\n    H1 = np.maximum(Z1, 0)\n    zeros[:] = [Z1 == 0]",
        ),
        (
            "H2 = np.maximum(D1 @ V2 + b2, 0)",
            "Z2 = D1 @ V2 + b2\n    H2 = np.maximum(Z2, 0)\n    zeros.append(Z2 == 0)",
        ),
        ("dZ2 = dH2 * (H2 > 0)", f"dZ2 = dH2 * ((H2 > 0) + {slope} * zeros[1])"),
        ("dZ1 = dH1 * (H1 > 0)", f"dZ1 = dH1 * ((H1 > 0) + {slope} * zeros[0])"),
        ("generator = ForkSafeGenerator()", "zeros: list = []\ngenerator = ForkSafeGenerator()"),
    )


MUTANTS: dict[str, Mutant] = {
    "mask inverted": backend("layer forward", (LAST, "return ~mask * X / (1 - dropout)")),
    "fresh mask inverted only": backend("fresh masks", (FRESH, FRESH.replace(">=", "<"))),
    "no rescaling": backend("layer forward", (LAST, "return mask * X")),
    "rescaled twice": backend("layer forward", (LAST, "return mask * X / (1 - dropout) ** 2")),
    "boolean mask scaled by p": backend("layer forward", (LAST, "return mask * X / dropout")),
    "the same mask every step": backend(
        "fresh masks",
        (DRAWN, DRAWN.replace("generator", "np.random.default_rng(int(100 * site.dropout))")),
    ),
    "one mask at both sites": backend(
        "step",
        (DRAW, DRAW + "\n    noise = one_mask(noise)"),
        (
            "def train_step(",
            "def one_mask(noise):\n"
            "    if noise[0].mask is None or noise[1].mask is None:\n"
            "        return noise\n"
            "    if noise[0].mask.shape != noise[1].mask.shape or noise[0].kind != 'dropout':\n"
            "        return noise\n"
            "    return noise[0], noise[1]._replace(mask=noise[0].mask)\n\n\n"
            "def train_step(",
        ),
    ),
    "one fresh mask at both sites": backend(
        "fresh masks",
        (DRAWN, "mask=drawn[:, :width] >= site.dropout"),
        (
            "    first, second = (\n        site._replace(",
            "    drawn = generator.random((n, max(widths)), dtype=np.float32)\n"
            "    first, second = (\n        site._replace(",
        ),
    ),
    "masks swapped between sites": backend("step", (DRAW, DRAW + "\n    noise = noise[::-1]")),
    "float32 scale on float64": backend(
        "layer forward", (LAST, "return mask * X * float(np.float32(1 / (1 - dropout)))")
    ),
    "float32 learning rate": backend("step", (UPDATE, "param -= np.float32(lr) * grad")),
    "gradient without the scale": backend(
        "layer gradient",
        *backward_layer("(lambda H, p, mask: H if mask is None else mask * H)"),
    ),
    "mask not applied in backward": backend(
        "layer gradient", *backward_layer("(lambda H, p, mask: H)")
    ),
    "ReLU gradient 1/2 at ties": backend("gradients", *ties("0.5")),
    "ReLU gradient 1 at ties": backend("gradients", *ties("1")),
    "noise on in predict": backend(
        "evaluation", (PREDICT, "return mlp(params, X, (LayerNoise(0.2), LayerNoise(0.5)))\n")
    ),
    "noise off in train_step": backend("step", (DRAW, "noise = NO_NOISE")),
    "loss times lr": backend("step", (RESULT, "return params, lr * loss, logits")),
    "loss summed": backend(
        "loss", (MEAN, MEAN.replace("mean", "sum")), (GRADIENT, "return loss, dO")
    ),
    "last small batch divided by the batch size": backend(
        "gradients", (GRADIENT, "return loss, dO / (256 if len(y) < 256 else len(y))")
    ),
    "a batch divided by the largest batch so far": backend(
        "step",
        (GRADIENT, "sizes.append(len(y))\n    return loss, dO / max(sizes)"),
        ("generator = ForkSafeGenerator()", "sizes: list = []\ngenerator = ForkSafeGenerator()"),
        (COPIES, "sizes.clear()\n"),
    ),
    "logits of after the step": backend(
        "step", (RESULT, "return params, loss, mlp(params, X, noise)")
    ),
    "a bias not trained": backend(
        "gradients", (UPDATE, "param -= (0 if param is params[3] else lr) * grad")
    ),
    "weights transposed in the concise hand-over": backend(
        "concise",
        (UNPACK, UNPACK + "\n    W2 = W2.T.copy() if W2.shape[0] == W2.shape[1] else W2"),
    ),
    "weights transposed when the concise version is read": backend(
        "concise",
        (
            "return net.params()",
            "return [W.T if len(W) == W.shape[-1] else W for W in net.params()]",
        ),
    ),
    "manual_seed ignored": backend("seeding", ("    generator.seed(seed)", "    pass")),
    "generator reseeded each step": backend(
        "fresh masks", (DRAW, "generator.seed(0)\n    " + DRAW)
    ),
    "weight decay on biases": backend("step", (DECAY, "if weight_decay:")),
    "max-norm along the wrong axis": backend(
        "max-norm", (NORM, "np.linalg.norm(W, axis=1, keepdims=True) / max_norm")
    ),
    "clip before the update": compiled(
        "compiled steps",
        (
            "        params, loss, out = train_step(",
            "        if max_norm is not None:\n"
            "            params = clip_norms(params, max_norm)\n"
            "        params, loss, out = train_step(",
        ),
        (
            "        if max_norm is not None:\n            params = clip_norms(params, max_norm)\n"
            "        losses",
            "        losses",
        ),
    ),
    "dropout 1 that gives NaN": backend(
        "layer forward", ("    if dropout == 1:\n        return 0 * X\n", "")
    ),
    "a given mask of one row, broadcast in silence": backend(
        "layer forward", (LAST, "return mask[:1] * X / (1 - dropout)")
    ),
    "a fresh mask of one row, broadcast in silence": backend(
        "fresh masks", (FRESH, FRESH.replace("X.shape", "X.shape[-1:]"))
    ),
    "dtype not kept": backend(
        "layer forward", (LAST, "return (mask * X / (1 - dropout)).astype('f8')")
    ),
    "parameters that share the caller's arrays": backend(
        "contract", ("return [array.copy() for array in arrays]", "return list(arrays)")
    ),
    "a compiled step that bakes the first mask": compiled(
        "compiled steps",
        (SITE, "mask=kept.setdefault((number, site.mask.shape, site.kind), site.mask[number])"),
    ),
}
"""The usual faults of backends, by their names."""
