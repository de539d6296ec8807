"""The lower bound computes the matrix products of a training step."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from d2ldrop.bench.products import (
    batches_of,
    one_after_another,
    one_thread_per_core,
    step_of_products,
)


def test_the_products_are_those_of_a_training_step() -> None:
    rng = np.random.default_rng(0)
    X, W1, W2, W3 = (rng.normal(size=s) for s in ((5, 7), (7, 4), (4, 3), (3, 2)))
    calls = []

    def matmul(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
        calls.append((a, b))
        return (a.T if transpose_a else a) @ (b.T if transpose_b else b)

    dW3, dW2, dW1 = step_of_products(matmul, X, (W1, W2, W3))
    assert [d.shape for d in (dW1, dW2, dW3)] == [W.shape for W in (W1, W2, W3)]
    assert len(calls) == 8
    np.testing.assert_allclose(dW1, X.T @ (X @ W1 @ W2 @ W3 @ W3.T @ W2.T))


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_share_the_batches_and_leave_the_libraries_as_they_were(threads: int) -> None:
    batches = batches_of(np.arange(14), 2)
    first = {int(share[0]) * 2 for share in np.array_split(np.arange(7), threads)}
    all_threads = threading.Barrier(threads)
    seen = []

    def step(batch: Any) -> int:
        if batch[0] in first:
            all_threads.wait(timeout=60)  # so each share has its own thread
        assert all(library["num_threads"] == 1 for library in threadpool_info())
        seen.append(int(batch[0]))
        return int(batch.sum())

    with threadpool_limits(threads):
        before = threadpool_info()
        assert one_thread_per_core(step, batches)() == 12 + 13
        assert threadpool_info() == before
        assert one_thread_per_core(int, [5])() == 5  # fewer batches than threads
    assert sorted(seen) == [0, 2, 4, 6, 8, 10, 12]
    assert one_after_another(int, [1, 2, 3])() == 3
