"""The shared stream gives the golden values, and its masks drop with probability p."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from d2ldrop.core import randomness
from d2ldrop.core.fast_masks import dropout_mask
from d2ldrop.core.randomness import (
    Purpose,
    batch_order,
    initial_weights,
    native_seed,
    normal_noise,
    nudged,
    stream,
)


def digest(values: Any) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("step", "site", "dropout", "expected"),
    [
        (0, 0, 0.2, "3496c7c50995290604689789d9134dd29c9582c6e48a078256143a4a635d3c7b"),
        (2349, 1, 0.5, "48852167de9903e51960deff6ffff199af0e20d1cc15d8cdbb13290e223b2cc8"),
    ],
)
def test_masks_have_the_golden_digests(step: int, site: int, dropout: float, expected: str) -> None:
    keep = dropout_mask((256, 256), dropout, seed=0, step=step, site=site)
    assert digest(np.packbits(keep)) == expected


def test_batch_orders_have_the_golden_values() -> None:
    assert batch_order(0, 0, 10).tolist() == [6, 7, 2, 9, 1, 3, 5, 0, 4, 8]
    assert batch_order(0, 0, 60_000)[:5].tolist() == [54095, 44967, 25883, 5727, 50021]
    assert (
        digest(batch_order(0, 9, 60_000).astype("<i8"))
        == "7c505b7e5f7472c09931da3c45436eb25a4e03fdeb5540805cef08d86062e356"
    )


def test_the_streams_nudge_native_and_mc_have_the_golden_values() -> None:
    """They are used by the lockstep check, by native runs and by Monte Carlo prediction."""
    assert stream(0, Purpose.NUDGE).random_raw(1).tolist() == [10838992762465911255]
    assert [native_seed(0, epoch) for epoch in range(3)] == [1109984067, 1818564612, 922616355]
    mc = Purpose.MC
    assert dropout_mask((16,), 0.5, seed=0, purpose=mc).astype(int).tolist() == [
        0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1,
    ]  # fmt: skip
    keep = dropout_mask((256, 256), 0.2, seed=0, step=99, site=1, purpose=mc)
    assert (
        digest(np.packbits(keep))
        == "54271ef326face2fea9eb51e2aa011362b5a1817862cbe55595dfb260c066fd2"
    )


# Each case has 16 elements for p = 0.5, and the digest of a large mask.
@pytest.mark.parametrize(
    ("purpose", "first", "shape", "dropout", "place", "expected"),
    [
        (
            Purpose.INPUT, "0001000111001111", (256, 784), 0.2, (7, 0),
            "79aa1f4f3069ad98c4db4c5ee440bba087675fe9e56efdc10f87bfd90dfdfe38",
        ),
        (
            Purpose.UNIT, "1011010101010011", (1, 256), 0.2, (2349, 1),
            "0344d3b6bdfb20bcba34b7e653d101b45b8f41787e58ea775e2d0175b896e131",
        ),
        (
            Purpose.DROPCONNECT, "1101101110101000", (256, 10), 0.5, (2349, 1),
            "37f1e1031fff92c7a70a5dcb944b5f12b01ede67a6aa694f4558f7c2ada272f9",
        ),
    ],
)  # fmt: skip
def test_masks_of_other_noise_have_the_golden_values(
    purpose: Purpose,
    first: str,
    shape: tuple[int, int],
    dropout: float,
    place: tuple[int, int],
    expected: str,
) -> None:
    keep = dropout_mask((16,), 0.5, seed=0, purpose=purpose)
    assert "".join(map(str, keep.astype(int))) == first
    step, site = place
    keep = dropout_mask(shape, dropout, seed=0, step=step, site=site, purpose=purpose)
    assert digest(np.packbits(keep)) == expected


def test_normal_noise_has_the_golden_values() -> None:
    assert normal_noise((4,), seed=0).tolist() == [
        1.5590896309585776, 0.20837040877636884, -1.452957241711307, -0.8344635513206498,
    ]  # fmt: skip
    assert (
        digest(normal_noise((256, 256), seed=0, step=2349, site=1))
        == "bcc391c4a54c97d3c73c9da3b9e7f959e3f0dbcc41f3968fc08dc14d4c5aec70"
    )


@given(
    st.tuples(st.integers(0, 12), st.integers(0, 12)),
    st.floats(0, 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)
def test_masks_are_boolean_and_reproducible(
    shape: tuple[int, int], dropout: float, seed: int, step: int
) -> None:
    first, second = (dropout_mask(shape, dropout, seed=seed, step=step) for _ in range(2))
    assert first.dtype == bool
    assert first.shape == shape
    np.testing.assert_array_equal(first, second)


def test_a_smaller_p_keeps_every_element_that_a_larger_p_keeps() -> None:
    """This holds if every p is a multiple of 1/256: the masks of one stream are then nested."""
    masks = [dropout_mask((1000,), p, seed=1) for p in (0.25, 0.5, 0.75)]
    for more, less in pairwise(masks):
        assert (more >= less).all()


@pytest.mark.parametrize("dropout", [1e-4, 1 / 256, 0.1, 0.2, 0.5, 0.999])
def test_masks_drop_with_probability_p(dropout: float) -> None:
    n = 1_000_000
    dropped = n - int(dropout_mask((n,), dropout, seed=11).sum())
    assert stats.binomtest(dropped, n, dropout).pvalue > 1e-4


def test_the_fraction_of_256_p_decides_ties() -> None:
    """If p < 1/256, the integer part of 256 p is 0. Every dropped element then comes from a tie."""
    n, p = 4_000_000, 0.3 / 256
    dropped = n - int(dropout_mask((n,), p, seed=2).sum())
    assert stats.binomtest(dropped, n, p).pvalue > 1e-4


@pytest.mark.parametrize("dropout", [0, 0.0, 1, 1.0])
def test_p_0_and_p_1_draw_no_random_numbers(
    dropout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d2ldrop.core.fast_masks._generator", None)  # a call would fail
    monkeypatch.setattr(randomness, "stream", None)
    for draw in (dropout_mask, randomness.dropout_mask):
        np.testing.assert_array_equal(draw((3, 4), dropout, seed=0), np.full((3, 4), not dropout))


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="dropout must be a probability"):
        dropout_mask((4,), 1.5, seed=0)
    with pytest.raises(TypeError, match="seed must be an integer"):
        dropout_mask((4,), 0.5, seed=1.7)  # type: ignore[arg-type]  # a wrong type on purpose
    with pytest.raises(ValueError, match="epoch must be an integer"):
        batch_order(0, -1, 4)


def test_each_step_site_and_seed_has_another_mask() -> None:
    masks = [
        dropout_mask((64, 64), 0.5, seed=seed, step=step, site=site)
        for seed in (0, 1, 2**64 - 1)
        for step in (0, 1, 2**64 - 1)
        for site in (0, 1)
    ]
    assert len({digest(mask) for mask in masks}) == len(masks)


@given(st.integers(0, 2**64 - 1), st.integers(0, 1000), st.integers(0, 300))
def test_a_batch_order_is_a_permutation(seed: int, epoch: int, n: int) -> None:
    assert sorted(batch_order(seed, epoch, n)) == list(range(n))


def test_initial_weights_are_normal_and_biases_are_0() -> None:
    weights = initial_weights(0, (784, 256, 256, 10))
    assert {name: w.shape for name, w in weights.items()} == {
        "W1": (784, 256),
        "b1": (256,),
        "W2": (256, 256),
        "b2": (256,),
        "W3": (256, 10),
        "b3": (10,),
    }
    assert all(w.dtype == np.float32 for w in weights.values())
    assert not any(weights[name].any() for name in ("b1", "b2", "b3"))
    assert stats.kstest(weights["W1"].ravel() / 0.01, "norm").pvalue > 1e-3
    in_float64 = initial_weights(0, (784, 256, 256, 10), "float64")
    np.testing.assert_array_equal(weights["W1"], in_float64["W1"].astype(np.float32))


def test_a_nudge_is_as_small_as_a_rounding_error() -> None:
    weights = initial_weights(0, (784, 256, 256, 10), "float64")
    moved = [nudged(weights, 0, nudge) for nudge in range(2)]
    for other in moved:
        relative = np.abs(other["W1"] / weights["W1"] - 1)
        assert 0 < relative.max() < 8 * 2.0**-52
        np.testing.assert_array_equal(other["b1"], weights["b1"])
    assert (moved[0]["W1"] != moved[1]["W1"]).any()


def test_each_layer_has_its_own_stream_of_weights() -> None:
    """Each W is 0.01 N(0, 1), drawn from the Philox stream with the number of its layer."""
    weights = initial_weights(7, (30, 20, 20, 20), "float64")
    for layer in range(3):
        bits = np.random.Philox(key=[7, Purpose.WEIGHTS], counter=[0, 0, layer, 0])
        normal = np.random.Generator(bits).standard_normal(weights[f"W{layer + 1}"].shape)
        np.testing.assert_array_equal(weights[f"W{layer + 1}"], 0.01 * normal)


def test_each_nudge_of_each_parameter_has_its_own_stream() -> None:
    """Equal parameters move apart, and nudge 1 moves them otherwise than nudge 0."""
    ones = {name: np.ones((20, 20)) for name in ("W1", "b1", "W2", "b2", "W3", "b3")}
    moved = [array for nudge in range(2) for array in nudged(ones, 0, nudge).values()]
    assert len({digest(array) for array in moved}) == len(moved) == 12


@pytest.mark.parametrize("draw", [randomness.dropout_mask, dropout_mask], ids=["slow", "fast"])
def test_a_tie_whose_word_equals_the_fraction_keeps_the_element(draw: Any) -> None:
    """With t = 0, 256 p is the fraction f itself. Here f is the word that one tie draws."""
    n = 8192
    bits = stream(3, Purpose.MASK)
    tied = np.flatnonzero(bits.random_raw(n // 8).astype("<u8").view(np.uint8) == 0)
    words = (bits.random_raw(tied.size) >> np.uint64(11)) * 2.0**-53
    assert tied.size > 10
    for f in words[:3]:
        expected = np.ones(n, bool)
        expected[tied] = words >= f  # a tie below f drops its element, and f itself keeps it
        np.testing.assert_array_equal(draw((n,), float(f) / 256, seed=3), expected)


def test_another_process_draws_the_same_mask() -> None:
    code = (
        "from d2ldrop import dropout_mask; import hashlib;"
        "print(hashlib.sha256(dropout_mask((99, 7), 0.3, seed=5, step=6).tobytes()).hexdigest())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == digest(dropout_mask((99, 7), 0.3, seed=5, step=6))


@given(
    st.lists(st.integers(0, 40), max_size=3),
    st.one_of(st.floats(0, 1), st.integers(0, 256).map(lambda k: k / 256)),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.sampled_from(list(Purpose)),
)
def test_fast_masks_equal_the_definition(
    shape: list[int], dropout: float, seed: int, step: int, site: int, purpose: Purpose
) -> None:
    place: dict[str, Any] = {"seed": seed, "step": step, "site": site, "purpose": purpose}
    np.testing.assert_array_equal(
        dropout_mask(shape, dropout, **place), randomness.dropout_mask(shape, dropout, **place)
    )


@pytest.mark.parametrize("dropout", [0.2, 0.5, 0.3])
@pytest.mark.parametrize("shape", [(2**21,), (3, 700_001), (2049, 1025)])
def test_masks_drawn_by_threads_equal_the_definition(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dropout: float
) -> None:
    expected = randomness.dropout_mask(shape, dropout, seed=5, step=3, site=1)
    for cores in (1, 2, 3, 8):
        monkeypatch.setattr("d2ldrop.core.threads.cores", lambda cores=cores: cores)
        np.testing.assert_array_equal(
            dropout_mask(shape, dropout, seed=5, step=3, site=1), expected
        )
