"""Forked processes draw different fresh masks with NumPy, and a seed repeats them all."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import d2ldrop_numpy
import numpy as np
import pytest

from d2ldrop import dropout_layer
from d2ldrop.core.fork_safe import ForkSafeGenerator

FORKS = textwrap.dedent(
    """
    import os, sys
    import numpy as np
    from d2ldrop import dropout_layer, get_backend

    numpy = get_backend("numpy")
    arrays = [np.ones(shape) for shape in ((64, 4), (4,), (4, 4), (4,), (4, 4), (4,))]
    net, _ = numpy.concise_mlp(arrays, (0.5, 0.5), 0.1)  # made before the fork

    def masks():
        layer = net.layers[2].forward(np.ones((8, 8)), training=True)
        return (dropout_layer(np.ones((8, 8)), 0.5).tobytes() + layer.tobytes()).hex()

    def fork(name, levels=1):
        sys.stdout.flush()
        process = os.fork()
        if process:
            _, status = os.waitpid(process, 0)
            assert status == 0
            return
        if levels > 1:
            fork(name + " child", levels - 1)
        print(name, masks(), flush=True)
        if levels > 1:  # a child that seeds draws what any process with this seed draws
            numpy.manual_seed(7)
            print("seeded 0", masks(), flush=True)
        os._exit(0)

    for seed in (7, 7, 8):
        numpy.manual_seed(seed)
        for number in range(4):
            fork(f"{seed} {number}")
        print(seed, "parent", masks())
        fork(f"{seed} family", levels=2)
    numpy.manual_seed(7)
    print("seeded", "0", masks())
    """
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_processes_draw_different_masks_that_a_seed_repeats() -> None:
    # Python warns about a fork of a process with threads, and NumPy's BLAS has some.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    drawn: dict[str, list[str]] = {}
    for line in ended.stdout.splitlines():
        name, mask = line.rsplit(" ", 1)
        drawn.setdefault(name, []).append(mask)
    of_seed_8 = {name: masks for name, masks in drawn.items() if name.startswith("8 ")}
    assert sorted(of_seed_8) == [
        "8 0",
        "8 1",
        "8 2",
        "8 3",
        "8 family",
        "8 family child",
        "8 parent",
    ]
    assert all(len(masks) == 1 for masks in of_seed_8.values())
    for name in of_seed_8:
        first, again = drawn["7" + name[1:]]
        assert first == again, name
    assert len(set(drawn["seeded 0"])) == 1
    assert len(drawn["seeded 0"]) == 4
    everything = {mask for masks in drawn.values() for mask in masks}
    # With seed 7, the parent draws what the seeded children draw, too.
    assert len(everything) == 2 * len(of_seed_8)
    assert set(drawn["7 parent"]) == set(drawn["seeded 0"])


def test_two_threads_that_fork_together_give_their_children_different_streams() -> None:
    generator = ForkSafeGenerator()
    both, first_is_prepared = threading.Barrier(2, timeout=60), threading.Event()
    states = []

    def fork(waits: bool) -> None:  # the steps of os.fork, as two threads may take them
        if waits:
            assert first_is_prepared.wait(60)
        generator._prepare()
        first_is_prepared.set()
        both.wait()
        states.append(generator._next.generator.bit_generator.state["state"])

    threads = [threading.Thread(target=fork, args=(waits,)) for waits in (False, True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(states) == 2
    assert states[0] != states[1]


def test_a_seed_gives_the_numbers_of_numpys_generator() -> None:
    """A native run that an earlier version began can be resumed."""
    d2ldrop_numpy.manual_seed(3)
    keep = np.random.default_rng(3).random((5, 7), np.float32) >= 0.25
    np.testing.assert_array_equal(dropout_layer(np.ones((5, 7)), 0.25) != 0, keep)


def test_numpys_global_generator_is_not_used() -> None:
    before = np.random.get_state(legacy=False)
    try:
        np.random.seed(0)
        d2ldrop_numpy.manual_seed(1)
        first = dropout_layer(np.ones((8, 8)), 0.5)
        assert np.random.random() == np.random.RandomState(0).random()
        d2ldrop_numpy.manual_seed(1)
        np.random.seed(5)
        np.testing.assert_array_equal(dropout_layer(np.ones((8, 8)), 0.5), first)
    finally:
        np.random.set_state(before)


def test_a_seed_reaches_a_network_that_was_made_before() -> None:
    arrays = [np.ones(shape) for shape in ((64, 4), (4,), (4, 4), (4,), (4, 4), (4,))]
    net, _ = d2ldrop_numpy.concise_mlp(arrays, (0.5, 0.5), 0.1)
    drawn = []
    for _ in range(2):
        d2ldrop_numpy.manual_seed(2)
        drawn.append(net.layers[2].forward(np.ones((8, 8)), training=True))
    np.testing.assert_array_equal(drawn[0], drawn[1])
