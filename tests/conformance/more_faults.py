"""More mutants: modules that break the contract, and faults that others might plant."""

from __future__ import annotations

from tests.conformance.faults import (
    ADD,
    COPIES,
    DRAWN,
    FORWARD,
    FRESH,
    GRADIENT,
    MEAN,
    NORM,
    PREDICT,
    RESULT,
    SITE,
    UNPACK,
    UPDATE,
    Mutant,
    backend,
    compiled,
    layers,
)

BAD_MODULES: dict[str, Mutant] = {
    "two functions missing": backend(
        "contract",
        ("def clip_norms(", "def limit_norms("),
        ("def predict(params: list[Array], X: Array)", "def evaluate(params, X)"),
    ),
    "a function with another signature": backend(
        "contract",
        ("X: Array, dropout: float, *, mask: Array | None = None", "X: Array, p: float, mask=None"),
    ),
    "arrays of another kind": backend(
        "gradients", ("return params, loss, logits", "return params, loss, list(logits)")
    ),
    "a tuple of two": backend("contract", (RESULT, "return params, loss")),
    "an exception in the middle": backend(
        "step: train_step raised MemoryError: no memory",
        (FORWARD, FORWARD + "\n    if len(X) == 256:\n        raise MemoryError('no memory')"),
    ),
    "an exception at the import": backend(
        "contract", ("Array: TypeAlias", "raise OSError('libfast.so')\nArray: TypeAlias")
    ),
}
"""Modules that break the contract."""
OTHERS: dict[str, Mutant] = {
    "noise before ReLU": backend(
        "step",
        (
            "H1 = np.maximum(X @ W1 + b1, 0)\n"
            "    D1, V2 = noise_layer(dropout_layer, H1, W2, noise[0])",
            "H1, V2 = noise_layer(dropout_layer, X @ W1 + b1, W2, noise[0])\n"
            "    H1 = D1 = np.maximum(H1, 0)",
        ),
    ),
    "max-norm of sums": backend("max-norm", (NORM, "np.abs(W).sum(axis=0) / max_norm")),
    "max-norm also enlarges": backend(
        "max-norm", ("np.maximum(np.linalg.norm(W, axis=0) / max_norm, 1)", NORM)
    ),
    "max-norm of the whole matrix": backend("max-norm", (NORM, "np.linalg.norm(W) / max_norm")),
    "labels shifted": backend(
        "loss", ("correct = np.arange(len(y)), y\n", "correct = np.arange(len(y)), (y + 1) % 10\n")
    ),
    "mean over the 10 classes": backend(
        "loss", (MEAN, MEAN.replace(".mean()", ".sum() / 10")), (GRADIENT, "return loss, dO / 10")
    ),
    "softmax that overflows": backend(
        "loss", ("logits - logits.max(axis=1, keepdims=True)", "logits - 0")
    ),
    "train_step changes X": backend("step", (RESULT, "X *= 0.5\n    " + RESULT)),
    "train_step changes the masks": backend(
        "step",
        (
            RESULT,
            "for site in noise:\n        if site.mask is not None:\n"
            "            site.mask[:] = 1\n    " + RESULT,
        ),
    ),
    "seeds that collide modulo 2**16": backend(
        "seeding", ("generator.seed(seed)", "generator.seed(seed % 2**16)")
    ),
    "momentum between steps": backend(
        "step",
        (
            UPDATE,
            "grad = grad + 0.9 * speed.get(id(param), 0)\n"
            "        speed[id(param)] = grad\n        param -= lr * grad",
        ),
        ("generator = ForkSafeGenerator()", "speed: dict = {}\ngenerator = ForkSafeGenerator()"),
        (COPIES, "speed.clear()\n"),
    ),
    "a fresh mask kept for the next call": backend(
        "fresh masks",
        (
            FRESH,
            "drawn = generator.random(X.shape, dtype=np.float32)\n"
            "        mask = last.setdefault((X.shape, dropout), drawn >= dropout)",
        ),
        ("generator = ForkSafeGenerator()", "last: dict = {}\ngenerator = ForkSafeGenerator()"),
    ),
    "a fresh rate of 0.2008 for 0.2": backend(
        "fresh masks", (FRESH, FRESH.replace(">= dropout", ">= 1.004 * dropout"))
    ),
    "a rate from a table of bytes": backend(
        "fresh masks",
        (
            FRESH,
            "mask = generator.random(X.shape, dtype=np.float32) * 256 // 1 >= round(256 * dropout)",
        ),
    ),
    "both sites have the first's rate": backend(
        "fresh masks", (DRAWN, DRAWN.replace("site.dropout", "noise[0].dropout"))
    ),
    "weight decay in float32": backend(
        "step",
        (
            "grad = grad + weight_decay * param",
            "grad = grad + float(np.float32(weight_decay)) * param",
        ),
    ),
    "half the weight decay": backend(
        "step", ("grad = grad + weight_decay * param", "grad = grad + weight_decay / 2 * param")
    ),
    "additive noise multiplies the gradient": backend("step", (ADD, "noise")),
    "DropConnect's gradient without the mask": backend(
        "step",
        (ADD, '(LayerNoise() if site.kind in ("add", "weights") else site for site in noise)'),
    ),
    "predict with the parameters of the first call": backend(
        "evaluation",
        (
            PREDICT,
            "key = params[0].shape, X.dtype\n"
            "    return mlp(first.setdefault(key, [p.copy() for p in params]), X)\n",
        ),
        ("generator = ForkSafeGenerator()", "first: dict = {}\ngenerator = ForkSafeGenerator()"),
    ),
    "logits in float32": backend(
        "network", ("D2, V3, D2 @ V3 + b3", "D2, V3, (D2 @ V3 + b3).astype('f4').astype(X.dtype)")
    ),
    "concise dropout on in predict": backend(
        "evaluation", ("return net.forward(X)\n", "return net.forward(X, training=True)\n")
    ),
    "concise dropout off in the step": backend(
        "concise", ("net.forward(X, training=True)", "net.forward(X)")
    ),
    "concise dropout inverted": layers(
        "concise", ("np.float32) >= self.p", "np.float32) < self.p")
    ),
    "concise dropout without the scale": layers(
        "concise", ("return dX / (1 - self.p) if self.p < 1 else dX", "return dX")
    ),
    "concise dropout at the first site only": backend(
        "concise", ("Dropout(dropout[1], generator)", "Dropout(0.0, generator)")
    ),
    "concise dropout with exchanged rates": backend(
        "concise",
        ("Dropout(dropout[0], generator)", "Dropout(dropout[-1], generator)"),
        ("Dropout(dropout[1], generator)", "Dropout(dropout[-2], generator)"),
    ),
    "concise dropout with one mask for ever": layers(
        "concise", ("self.generator.random(X.shape", "np.random.default_rng(5).random(X.shape")
    ),
    "concise optimiser with momentum": layers(
        "concise",
        (
            "param -= self.lr * grad",
            "self.v = getattr(self, 'v', {})\n"
            "            self.v[id(param)] = grad + 0.9 * self.v.get(id(param), 0)\n"
            "            param -= self.lr * self.v[id(param)]",
        ),
    ),
    "concise learning rate in float32": layers(
        "concise", ("self.net, self.lr = net, lr", "self.net, self.lr = net, float(np.float32(lr))")
    ),
    "concise logits of after the step": backend(
        "concise",
        (
            "trainer.step()\n    return loss, logits",
            "trainer.step()\n    return loss, net.forward(X)",
        ),
    ),
    "concise version shares the caller's arrays": backend(
        "concise", (UNPACK, "W1, b1, W2, b2, W3, b3 = arrays")
    ),
    "compiled steps without max-norm": compiled(
        "compiled steps", ("if max_norm is not None", "if False")
    ),
    "compiled steps with the first step's masks": compiled(
        "compiled steps", (SITE, "mask=site.mask[0]")
    ),
    "compiled steps with the last loss": compiled(
        "compiled steps", ("np.array(losses)", "np.array([loss] * len(losses))")
    ),
    "predict forgets images after the first 1000": backend(
        "evaluation", (PREDICT, "return mlp(params, X[:1000])\n")
    ),
    "mlp without fresh masks": backend(
        "fresh masks",
        (
            "return forward(params, X, noise)[-1]",
            "noise = tuple(s if s.mask is not None or s.dropout == 1 else LayerNoise() "
            "for s in noise)\n    return forward(params, X, noise)[-1]",
        ),
    ),
    "concise version in float64 only": backend(
        "concise", (UNPACK, "W1, b1, W2, b2, W3, b3 = (np.array(a, float) for a in arrays)")
    ),
    "compiled steps with boolean masks that are not scaled": compiled(
        "compiled steps",
        (
            "losses, logits = [], []",
            "losses, logits = [], []\n"
            "    noise = tuple(s if s.mask is None or s.mask.dtype != bool else "
            "s._replace(kind='multiply') for s in noise)",
        ),
    ),
    "compiled steps that need masks": compiled(
        "compiled steps",
        ("losses, logits = [], []", "losses, logits = [], []\n    len(noise[0].mask)"),
    ),
    "compiled steps with a weight decay of their own": compiled(
        "compiled steps",
        (
            "losses, logits = [], []",
            "losses, logits = [], []\n    weight_decay = weight_decay or 0.02",
        ),
    ),
    "compiled steps bake the learning rate": compiled(
        "compiled steps",
        ("X[number], y[number], lr,", "X[number], y[number], kept.setdefault('lr', lr),"),
    ),
}
"""Faults that others might plant."""
