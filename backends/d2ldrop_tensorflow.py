"""Dropout and the dropout MLP in TensorFlow.

What is particular to TensorFlow:

- A tape records operations for differentiation; it watches variables automatically.
- If there is a GPU, an operation runs on it unless a device scope says otherwise.
"""

from typing import TypeAlias

import tensorflow as tf
from d2ldrop_tensorflow_layers import noise_after
from tensorflow.keras import Model, Optimizer, Sequential, Variable, layers

from d2ldrop.core.arrays import Arrays, NumPyArray, Rates, is_aligned
from d2ldrop.core.noise import NO_NOISE, Noise, noise_layer

Array: TypeAlias = tf.Tensor


def is_array(x: object) -> bool:
    """Whether ``x`` is a tensor, eager or symbolic, or a variable, of Keras for example."""
    return isinstance(x, (tf.Tensor, tf.Variable, Variable))


def devices() -> list[str]:
    """The devices that TensorFlow can use here."""
    return ["cpu", *(f"gpu:{i}" for i in range(len(tf.config.list_logical_devices("GPU"))))]


def from_numpy(array: NumPyArray, device: str = "cpu") -> Array:
    """A tensor with the values, shape and dtype of ``array``."""
    if device == "cpu" and is_aligned(array):  # the tensor shares its memory
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    with tf.device(device):
        return tf.constant(array)


def to_numpy(x: Array) -> NumPyArray:
    """The values of ``x``."""
    return x.numpy()


def manual_seed(seed: int) -> None:
    """Seed TensorFlow's own generators."""
    tf.random.set_seed(seed)


def dropout_layer(X: Array, dropout: float, *, mask: Array | None = None) -> Array:
    """Drop each element with probability dropout and divide the rest by 1 - dropout (D2L 4.6)."""
    if dropout == 0:
        return X
    X = tf.convert_to_tensor(X)
    with tf.device(X.device):
        if dropout == 1:
            return 0 * X  # zeros, through which gradients still flow
        if mask is None:
            mask = tf.random.uniform(tf.shape(X)) >= dropout
        elif not X.shape.is_fully_defined():  # in a graph: not compared before
            tf.debugging.assert_equal(tf.shape(mask), tf.shape(X), "mask must have the shape of X")
        if X.dtype.size < 4:  # half precision would round 1 - dropout
            return tf.cast(dropout_layer(tf.cast(X, tf.float32), dropout, mask=mask), X.dtype)
        mask = tf.cast(mask, X.dtype)
        return mask * X / (1 - dropout)


def init_params(arrays: Arrays, device: str = "cpu") -> list[Array]:
    """Trainable copies of ``arrays``."""
    with tf.device(device):
        return [tf.Variable(array) for array in arrays]


def mlp(params: list[Array], X: Array, noise: Noise = NO_NOISE) -> Array:
    """Logits (n, 10) of images X (n, 784): two hidden layers, noise after each activation."""
    W1, b1, W2, b2, W3, b3 = params
    H1 = tf.nn.relu(X @ W1 + b1)
    H1, W2 = noise_layer(dropout_layer, H1, W2, noise[0])
    H2 = tf.nn.relu(H1 @ W2 + b2)
    H2, W3 = noise_layer(dropout_layer, H2, W3, noise[1])
    return H2 @ W3 + b3


def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of integer labels y (n,), averaged over the batch."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))


def train_step(
    params: list[Array], X: Array, y: Array, lr: float, noise: Noise, weight_decay: float = 0
) -> tuple[list[Array], Array, Array]:
    """Take one SGD step; return params (updated in place), and loss and logits of the batch."""
    with tf.device(X.device):
        with tf.GradientTape() as tape:
            logits = mlp(params, X, noise)
            loss = cross_entropy(logits, y)
        for param, grad in zip(params, tape.gradient(loss, params), strict=True):
            if weight_decay and len(param.shape) == 2:  # a matrix of weights, not a bias
                grad = grad + weight_decay * param
            param.assign_sub(lr * grad)
    return params, loss, logits


def clip_norms(params: list[Array], max_norm: float) -> list[Array]:
    """Limit the norm of each unit's incoming weights, a column of W, to ``max_norm``."""
    for W in params[::2]:
        W.assign(W / tf.maximum(tf.norm(W, axis=0) / max_norm, 1))
    return params


def predict(params: list[Array], X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without noise."""
    with tf.device(X.device):
        return mlp(params, X)


def concise_mlp(
    arrays: Arrays, dropout: Rates, lr: float, noise: str = "dropout", device: str = "cpu"
) -> tuple[Model, Optimizer]:
    """A network of Keras's own layers with the weights ``arrays``, and its optimiser."""
    W1, b1, _, b2, _, b3 = arrays
    with tf.device(device):
        net = Sequential()
        net.add(layers.Input((len(W1),), dtype=W1.dtype))
        net.add(layers.Dense(len(b1), activation="relu", dtype=W1.dtype))
        net.add(noise_after(dropout[0], noise, W1.dtype))
        net.add(layers.Dense(len(b2), activation="relu", dtype=W1.dtype))
        net.add(noise_after(dropout[1], noise, W1.dtype))
        net.add(layers.Dense(len(b3), dtype=W1.dtype))
        net.set_weights(arrays)
        return net, tf.keras.optimizers.SGD(lambda: tf.constant(lr, W1.dtype))  # floats are rounded


def concise_step(net: Model, trainer: Optimizer, X: Array, y: Array) -> tuple[Array, Array]:
    """Take one step of the optimiser; return loss and logits of the batch."""
    with tf.device(X.device):
        with tf.GradientTape() as tape:
            logits = net(X, training=True)
            loss = cross_entropy(logits, y)
        trainer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
    return loss, logits


def concise_predict(net: Model, X: Array) -> Array:
    """Logits (n, 10) of images X (n, 784), without dropout."""
    with tf.device(X.device):
        return net(X, training=False)


def concise_params(net: Model) -> list[NumPyArray]:
    """W1, b1, W2, b2, W3, b3 in NumPy, W as inputs × outputs."""
    return net.get_weights()
