"""Dropout and the dropout MLP in MXNet, with its NumPy-like arrays, ``mx.np``.

What is particular to MXNet:

- ``use_np`` gives one call NumPy semantics: without them, () and (0, 3) mean unknown shapes.
- ``fully_connected`` takes W as outputs × inputs; ``X @ W + b`` would take twice as long.
"""

from typing import TypeAlias

import mxnet as mx
from mxnet.gluon import Trainer, nn

from d2ldrop.core.arrays import Arrays, NumPyArray, Rates, compact
from d2ldrop.core.noise import NO_NOISE, Noise, noise_layer

Array: TypeAlias = mx.np.ndarray


def is_array(x: object) -> bool:
    """Whether ``x`` is an array of ``mx.np``."""
    return isinstance(x, mx.np.ndarray)


def devices() -> list[str]:
    """The devices that MXNet can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(mx.context.num_gpus()))]


@mx.util.use_np
def from_numpy(array: NumPyArray, device: str = "cpu") -> Array:
    """An array with the values, shape and dtype of ``array``."""
    if device == "cpu" and array.dtype != bool and array.size and array.flags.carray:
        return mx.nd.from_dlpack(compact(array).__dlpack__()).as_np_ndarray()  # shares the memory
    return mx.np.array(array, array.dtype, ctx=mx.Context(device[:3], int(device[4:] or 0)))


def to_numpy(x: Array) -> NumPyArray:
    """The values of ``x``."""
    return x.asnumpy()


def manual_seed(seed: int) -> None:
    """Seed MXNet's own generators."""
    mx.random.seed(seed)


@mx.util.use_np
def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop each element with probability dropout and divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros, through which gradients still flow
    if mask is None:
        mask = mx.np.random.uniform(size=X.shape, ctx=X.ctx) >= dropout
    if X.dtype == "float16":  # which would round 1 - dropout
        return dropout_layer(X.astype("float32"), dropout, mask=mask).astype("float16")
    return mask * X / (1 - dropout)


def init_params(arrays: Arrays, device: str = "cpu") -> list[Array]:
    """Trainable copies of ``arrays``."""
    params = [from_numpy(array.copy(), device) for array in arrays]
    for param in params:
        param.attach_grad()
    return params


def mlp(params: list[Array], X: Array, noise: Noise = NO_NOISE) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = mx.npx.activation(mx.npx.fully_connected(X, W1.T, b1, len(b1), no_bias=False), "relu")
    H1, W2 = noise_layer(dropout_layer, H1, W2, noise[0])
    H2 = mx.npx.activation(mx.npx.fully_connected(H1, W2.T, b2, len(b2), no_bias=False), "relu")
    H2, W3 = noise_layer(dropout_layer, H2, W3, noise[1])
    return mx.npx.fully_connected(H2, W3.T, b3, len(b3), no_bias=False)


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    return mx.npx.pick(-mx.npx.log_softmax(logits), y).mean()


def train_step(
    params: list[Array], X: Array, y: Array, lr: float, noise: Noise, weight_decay: float = 0
) -> tuple[list[Array], Array, Array]:
    """Take one SGD step; return params (updated in place), and loss and logits of the batch."""
    with mx.autograd.record():
        logits = mlp(params, X, noise)
        loss = cross_entropy(logits, y)
    loss.backward()
    for param, grad in [(param, param.grad) for param in params]:
        if weight_decay and param.ndim == 2:  # a matrix of weights, not a bias
            grad = grad + weight_decay * param
        param -= lr * grad
    return params, loss.detach(), logits.detach()


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Limit the norm of each unit's incoming weights, a column of W, to ``max_norm``."""
    for W in params[::2]:
        W /= mx.np.maximum(mx.np.linalg.norm(W, axis=0) / max_norm, 1)
    return params


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without noise."""
    return mlp(params, X)


@mx.util.use_np
def concise_mlp(
    arrays: Arrays, dropout: Rates, lr: float, noise: str = "dropout", device: str = "cpu"
) -> tuple[nn.Block, Trainer]:
    """A network of Gluon's own layers with the weights ``arrays``, and its optimiser."""
    W1, b1, W2, b2, W3, b3 = arrays
    net = nn.Sequential()
    net.add(
        nn.Dense(len(b1), "relu", in_units=len(W1), dtype=W1.dtype),
        nn.Dropout(dropout[0], (0,) if noise == "unit" else ()),
        nn.Dense(len(b2), "relu", in_units=len(W2), dtype=W2.dtype),
        nn.Dropout(dropout[1], (0,) if noise == "unit" else ()),
        nn.Dense(len(b3), in_units=len(W3), dtype=W3.dtype),
    )
    net.initialize("zeros", from_numpy(b1, device).ctx)
    for param, array in zip(net.collect_params().values(), arrays, strict=True):
        param.set_data(from_numpy(array.T, device))
    return net, Trainer(net.collect_params(), "sgd", {"learning_rate": lr})


@mx.util.use_np
def concise_step(net: nn.Block, trainer: Trainer, X: Array, y: Array) -> tuple[Array, Array]:
    """Take one step of the optimiser; return loss and logits of the batch."""
    with mx.autograd.record():
        logits = net(X)
        loss = cross_entropy(logits, y)
    scale = trainer.learning_rate / float(mx.np.float32(trainer.learning_rate))
    loss.backward(mx.np.full_like(loss, scale))  # the optimiser rounds the learning rate to float32
    trainer.step(batch_size=1)  # the loss is already averaged
    return loss.detach(), logits.detach()


@mx.util.use_np
def concise_predict(net: nn.Block, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    return net(X)


def concise_params(net: nn.Block) -> list[NumPyArray]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return [to_numpy(param.data()).T for param in net.collect_params().values()]
