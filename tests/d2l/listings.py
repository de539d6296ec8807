"""The listings of section 4.6, from scratch and concise, as readers type them.

Each function returns (net, loss, updater). The functions have no types, as in the book.
"""

# mypy: ignore-errors
# pyright: basic, reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false
# pyright: reportCallIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false

from typing import Any

NUM_INPUTS, NUM_OUTPUTS, NUM_HIDDENS1, NUM_HIDDENS2 = 784, 10, 256, 256
DROPOUT1, DROPOUT2 = 0.2, 0.5
LR, BATCH_SIZE = 0.5, 256


def torch_scratch(d2l):
    import torch
    from torch import nn

    def dropout_layer(X, dropout):
        assert 0 <= dropout <= 1
        if dropout == 1:
            return torch.zeros_like(X)
        if dropout == 0:
            return X
        mask = (torch.rand(X.shape) > dropout).float()
        return mask * X / (1.0 - dropout)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin1 = nn.Linear(NUM_INPUTS, NUM_HIDDENS1)
            self.lin2 = nn.Linear(NUM_HIDDENS1, NUM_HIDDENS2)
            self.lin3 = nn.Linear(NUM_HIDDENS2, NUM_OUTPUTS)
            self.relu = nn.ReLU()

        def forward(self, X):
            H1 = self.relu(self.lin1(X.reshape((-1, NUM_INPUTS))))
            if self.training:
                H1 = dropout_layer(H1, DROPOUT1)
            H2 = self.relu(self.lin2(H1))
            if self.training:
                H2 = dropout_layer(H2, DROPOUT2)
            return self.lin3(H2)

    net = Net()
    loss = nn.CrossEntropyLoss(reduction="none")
    return net, loss, torch.optim.SGD(net.parameters(), lr=LR)


def torch_concise(d2l):
    import torch
    from torch import nn

    net = nn.Sequential(
        nn.Flatten(),
        nn.Linear(NUM_INPUTS, NUM_HIDDENS1),
        nn.ReLU(),
        nn.Dropout(DROPOUT1),
        nn.Linear(NUM_HIDDENS1, NUM_HIDDENS2),
        nn.ReLU(),
        nn.Dropout(DROPOUT2),
        nn.Linear(NUM_HIDDENS2, NUM_OUTPUTS),
    )

    def init_weights(m):
        if type(m) is nn.Linear:
            nn.init.normal_(m.weight, std=0.01)

    net.apply(init_weights)
    loss = nn.CrossEntropyLoss(reduction="none")
    return net, loss, torch.optim.SGD(net.parameters(), lr=LR)


def mxnet_scratch(d2l):
    from mxnet import autograd, gluon, np, npx

    npx.set_np()

    def dropout_layer(X, dropout):
        assert 0 <= dropout <= 1
        if dropout == 1:
            return np.zeros_like(X)
        if dropout == 0:
            return X
        mask = np.random.uniform(0, 1, X.shape) > dropout
        return mask.astype(np.float32) * X / (1.0 - dropout)

    W1 = np.random.normal(scale=0.01, size=(NUM_INPUTS, NUM_HIDDENS1))
    b1 = np.zeros(NUM_HIDDENS1)
    W2 = np.random.normal(scale=0.01, size=(NUM_HIDDENS1, NUM_HIDDENS2))
    b2 = np.zeros(NUM_HIDDENS2)
    W3 = np.random.normal(scale=0.01, size=(NUM_HIDDENS2, NUM_OUTPUTS))
    b3 = np.zeros(NUM_OUTPUTS)
    params = [W1, b1, W2, b2, W3, b3]
    for param in params:
        param.attach_grad()

    def net(X):
        X = X.reshape(-1, NUM_INPUTS)
        H1 = npx.relu(np.dot(X, W1) + b1)
        if autograd.is_training():
            H1 = dropout_layer(H1, DROPOUT1)
        H2 = npx.relu(np.dot(H1, W2) + b2)
        if autograd.is_training():
            H2 = dropout_layer(H2, DROPOUT2)
        return np.dot(H2, W3) + b3

    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    return net, loss, lambda batch_size: d2l.sgd(params, LR, batch_size)


def mxnet_concise(d2l):
    from mxnet import gluon, init, npx
    from mxnet.gluon import nn

    npx.set_np()
    net = nn.Sequential()
    net.add(
        nn.Dense(256, activation="relu"),
        nn.Dropout(DROPOUT1),
        nn.Dense(256, activation="relu"),
        nn.Dropout(DROPOUT2),
        nn.Dense(10),
    )
    net.initialize(init.Normal(sigma=0.01))
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    return net, loss, gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": LR})


def tensorflow_scratch(d2l):
    import tensorflow as tf

    def dropout_layer(X, dropout):
        assert 0 <= dropout <= 1
        if dropout == 1:
            return tf.zeros_like(X)
        if dropout == 0:
            return X
        mask = tf.random.uniform(shape=tf.shape(X), minval=0, maxval=1) < 1 - dropout
        return tf.cast(mask, dtype=tf.float32) * X / (1.0 - dropout)

    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.input_layer = tf.keras.layers.Flatten()
            self.hidden1 = tf.keras.layers.Dense(NUM_HIDDENS1, activation="relu")
            self.hidden2 = tf.keras.layers.Dense(NUM_HIDDENS2, activation="relu")
            self.output_layer = tf.keras.layers.Dense(NUM_OUTPUTS)

        def call(self, inputs, training=None):
            x = self.input_layer(inputs)
            x = self.hidden1(x)
            if training:
                x = dropout_layer(x, DROPOUT1)
            x = self.hidden2(x)
            if training:
                x = dropout_layer(x, DROPOUT2)
            return self.output_layer(x)

    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Net(), loss, tf.keras.optimizers.SGD(learning_rate=LR)


def tensorflow_concise(d2l):
    import tensorflow as tf

    net = tf.keras.models.Sequential(
        [
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(256, activation=tf.nn.relu),
            tf.keras.layers.Dropout(DROPOUT1),
            tf.keras.layers.Dense(256, activation=tf.nn.relu),
            tf.keras.layers.Dropout(DROPOUT2),
            tf.keras.layers.Dense(10),
        ]
    )
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return net, loss, tf.keras.optimizers.SGD(learning_rate=LR)


def paddle_scratch(d2l):
    import paddle
    from paddle import nn

    def dropout_layer(X, dropout):
        assert 0 <= dropout <= 1
        if dropout == 1:
            return paddle.zeros_like(X)
        if dropout == 0:
            return X
        mask = (paddle.to_tensor(paddle.uniform(X.shape, min=0, max=1)) > dropout).astype("float32")
        return mask * X / (1.0 - dropout)

    class Net(nn.Layer):
        def __init__(self):
            super().__init__()
            self.lin1 = nn.Linear(NUM_INPUTS, NUM_HIDDENS1)
            self.lin2 = nn.Linear(NUM_HIDDENS1, NUM_HIDDENS2)
            self.lin3 = nn.Linear(NUM_HIDDENS2, NUM_OUTPUTS)
            self.relu = nn.ReLU()

        def forward(self, X):
            H1 = self.relu(self.lin1(X.reshape((-1, NUM_INPUTS))))
            if self.training:
                H1 = dropout_layer(H1, DROPOUT1)
            H2 = self.relu(self.lin2(H1))
            if self.training:
                H2 = dropout_layer(H2, DROPOUT2)
            return self.lin3(H2)

    net = Net()
    loss = nn.CrossEntropyLoss(reduction="none")
    return net, loss, paddle.optimizer.SGD(learning_rate=LR, parameters=net.parameters())


def paddle_concise(d2l):
    import paddle
    from paddle import nn

    weight_attr = paddle.ParamAttr(initializer=nn.initializer.Normal(std=0.01))
    net = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256, weight_attr=weight_attr),
        nn.ReLU(),
        nn.Dropout(DROPOUT1),
        nn.Linear(256, 256, weight_attr=weight_attr),
        nn.ReLU(),
        nn.Dropout(DROPOUT2),
        nn.Linear(256, 10, weight_attr=weight_attr),
    )
    loss = nn.CrossEntropyLoss(reduction="none")
    return net, loss, paddle.optimizer.SGD(learning_rate=LR, parameters=net.parameters())


LISTINGS: dict[tuple[str, str], Any] = {
    ("torch", "scratch"): torch_scratch,
    ("torch", "concise"): torch_concise,
    ("mxnet", "scratch"): mxnet_scratch,
    ("mxnet", "concise"): mxnet_concise,
    ("tensorflow", "scratch"): tensorflow_scratch,
    ("tensorflow", "concise"): tensorflow_concise,
    ("paddle", "scratch"): paddle_scratch,
    ("paddle", "concise"): paddle_concise,
}
