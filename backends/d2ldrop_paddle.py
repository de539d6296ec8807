"""Dropout and the dropout MLP in PaddlePaddle.

What is particular to PaddlePaddle:

- A tensor is trainable if its ``stop_gradient`` is False; the default is True.
- A boolean cannot be multiplied by a float: the mask is cast first.
- PaddlePaddle's own cross-entropy is at most 64 + log(10) per image, so it is written out here.
"""

from typing import TypeAlias

import paddle
from paddle import nn, optimizer

from d2ldrop.core.arrays import Arrays, NumPyArray, Rates
from d2ldrop.core.noise import NO_NOISE, Noise, noise_layer

Array: TypeAlias = paddle.Tensor


def is_array(x: object) -> bool:
    """Whether ``x`` is a tensor, eager or in a static graph; parameters count."""
    return isinstance(x, (paddle.Tensor, paddle.pir.Value))  # type: ignore[attr-defined]  # no stub


def devices() -> list[str]:
    """The devices that PaddlePaddle can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(paddle.device.cuda.device_count()))]


def from_numpy(array: NumPyArray, device: str = "cpu") -> Array:
    """A tensor with the values, shape and dtype of ``array``."""
    if device == "cpu" and array.flags.carray:  # the tensor shares its memory
        return paddle.utils.dlpack.from_dlpack(array.__dlpack__())
    return paddle.to_tensor(array, place=device)


def to_numpy(x: Array) -> NumPyArray:
    """The values of ``x``."""
    return x.numpy()


def manual_seed(seed: int) -> None:
    """Seed PaddlePaddle's own generators."""
    paddle.seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop each element with probability dropout and divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    if dropout == 1:
        return 0 * X  # zeros, through which gradients still flow
    if mask is None:
        mask = paddle.rand(X.shape, dtype="float32") >= dropout
    if X.dtype in (paddle.float16, paddle.bfloat16):  # which would round 1 - dropout
        return dropout_layer(X.astype("float32"), dropout, mask=mask).astype(X.dtype)
    mask = mask.astype(X.dtype)
    return mask * X / (1 - dropout)


def init_params(arrays: Arrays, device: str = "cpu") -> list[Array]:
    """Trainable copies of ``arrays``."""
    return [paddle.to_tensor(array, place=device, stop_gradient=False) for array in arrays]


def mlp(params: list[Array], X: Array, noise: Noise = NO_NOISE) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = nn.functional.relu(X @ W1 + b1)
    H1, W2 = noise_layer(dropout_layer, H1, W2, noise[0])
    H2 = nn.functional.relu(H1 @ W2 + b2)
    H2, W3 = noise_layer(dropout_layer, H2, W3, noise[1])
    return H2 @ W3 + b3


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    correct = paddle.take_along_axis(logits, y.unsqueeze(1), axis=1).squeeze(1)
    return (paddle.logsumexp(logits, axis=1) - correct).mean()


def train_step(
    params: list[Array], X: Array, y: Array, lr: float, noise: Noise, weight_decay: float = 0
) -> tuple[list[Array], Array, Array]:
    """Take one SGD step; return params (updated in place), and loss and logits of the batch."""
    logits = mlp(params, X, noise)
    loss = cross_entropy(logits, y)
    grads = paddle.grad(loss, params)
    with paddle.no_grad():
        for param, grad in zip(params, grads, strict=True):
            if weight_decay and param.ndim == 2:  # a matrix of weights, not a bias
                grad = grad + weight_decay * param
            param.subtract_(lr * grad)
    return params, loss.detach(), logits.detach()


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Limit the norm of each unit's incoming weights, a column of W, to ``max_norm``."""
    with paddle.no_grad():
        for W in params[::2]:
            W.divide_(paddle.clip(paddle.linalg.norm(W, axis=0) / max_norm, min=1))
    return params


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without noise."""
    with paddle.no_grad():
        return mlp(params, X)


def concise_mlp(
    arrays: Arrays, dropout: Rates, lr: float, noise: str = "dropout", device: str = "cpu"
) -> tuple[nn.Layer, optimizer.SGD]:
    """A network of Paddle's own layers with the weights ``arrays``, and its optimiser."""
    W1, b1, W2, b2, W3, b3 = arrays
    net = nn.Sequential(
        nn.Linear(len(W1), len(b1)),
        nn.ReLU(),
        nn.Dropout(dropout[0], axis=1 if noise == "unit" else None),
        nn.Linear(len(W2), len(b2)),
        nn.ReLU(),
        nn.Dropout(dropout[1], axis=1 if noise == "unit" else None),
        nn.Linear(len(W3), len(b3)),
    )
    net.to(device, from_numpy(W1).dtype)
    for param, array in zip(net.parameters(), arrays, strict=True):
        param.set_value(array)
    return net, optimizer.SGD(lr, net.parameters())


def concise_step(net: nn.Layer, trainer: optimizer.SGD, X: Array, y: Array) -> tuple[Array, Array]:
    """Take one step of the optimiser; return loss and logits of the batch."""
    net.train()
    logits = net(X)
    loss = nn.CrossEntropyLoss()(logits, y)
    trainer.clear_grad()
    loss.backward()
    trainer.step()
    return loss.detach(), logits.detach()


def concise_predict(net: nn.Layer, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    net.eval()
    with paddle.no_grad():
        return net(X)


def concise_params(net: nn.Layer) -> list[NumPyArray]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return [to_numpy(param) for param in net.parameters()]
