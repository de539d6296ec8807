"""A Dataset is checked when it is made, so no backend trains on wrong images or labels."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from d2ldrop import Dataset
from d2ldrop.data import as_dataset
from d2ldrop.data.stand_in import stand_in

FEW = stand_in(20, 10)
FIELDS = ("train_images", "train_labels", "test_images", "test_labels")
GOOD: dict[str, Any] = dict(zip(FIELDS, FEW, strict=True))
IMAGES, LABELS = GOOD["train_images"], GOOD["train_labels"]


def with_one(array: Any, value: int, dtype: str) -> Any:
    """A copy with one other value."""
    changed = array.astype(dtype)
    changed.flat[7] = value
    return changed


class Tensor:
    """Like a framework's tensor: NumPy can read it, but it is not an array."""

    def __array__(self, *_: object, **__: object) -> Any:
        return IMAGES


TO_UINT8 = r"numpy\.rint\(255 \* train_images\)\.astype\(numpy\.uint8\)"
IN_255 = "train_images must be integers from 0 to 255, got "
IN_9 = "train_labels must be integers from 0 to 9, got "
SHAPE = r"train_images must have shape \(n, 28, 28\) with n above 0, got "
ONE_EACH = r"train_labels must have shape \(20,\), one label for each of train_images, got "
WRONG: dict[str, tuple[str, Any, str]] = {
    "label 10": ("train_labels", with_one(LABELS, 10, "uint8"), f"{IN_9}10"),
    "label -1": ("train_labels", with_one(LABELS, -1, "int64"), f"{IN_9}-1"),
    "label 256 would be 0": ("train_labels", with_one(LABELS, 256, "int64"), f"{IN_9}256"),
    "label 2**63": (
        "train_labels",
        with_one(LABELS, 2**63, "uint64"),
        f"{IN_9}9223372036854775808",
    ),
    "float labels": ("train_labels", LABELS / 1.0, r"float64: train_labels\.astype\(numpy\.uint8"),
    "bool labels": ("train_labels", LABELS > 4, f"{IN_9}bool$"),
    "text labels": ("train_labels", LABELS.astype(str), f"{IN_9}<U"),
    "object labels": ("train_labels", LABELS.astype(object), f"{IN_9}object$"),
    "one-hot labels": ("train_labels", np.eye(10)[LABELS], r"\(20, 10\): .*argmax\(axis=1\)"),
    "a column of labels": ("train_labels", LABELS[:, None], r"\(20, 1\): .*reshape\(-1\)"),
    "fewer labels": ("train_labels", LABELS[:-1], rf"{ONE_EACH}\(19,\)$"),
    "more labels": ("train_labels", np.tile(LABELS, 2), rf"{ONE_EACH}\(40,\)$"),
    "a list of labels": (
        "train_labels",
        LABELS.tolist(),
        r"train_labels must be a NumPy array, got list: numpy\.asarray\(train_labels\)",
    ),
    "float32 in [0, 1]": (
        "train_images",
        IMAGES / np.float32(255),
        rf"{IN_255}float32: {TO_UINT8}",
    ),
    "float64 in [0, 255]": ("train_images", IMAGES * 1.0, f"{IN_255}float64"),
    "float16": ("train_images", (IMAGES / 255).astype("f2"), f"{IN_255}float16: {TO_UINT8}"),
    "bool images": ("train_images", IMAGES > 0, f"{IN_255}bool$"),
    "pixel 300": ("train_images", with_one(IMAGES, 256, "int16"), f"{IN_255}256"),
    "pixel -1": ("train_images", with_one(IMAGES, -1, "int64"), f"{IN_255}-1"),
    "flat": ("train_images", IMAGES.reshape(20, 784), r"\(20, 784\): .*reshape\(-1, 28, 28\)"),
    "a channel first": ("train_images", IMAGES[:, None], r"\(20, 1, 28, 28\): .*reshape"),
    "a channel last": ("train_images", IMAGES[..., None], r"\(20, 28, 28, 1\): .*reshape"),
    "one image": ("train_images", IMAGES[0], rf"{SHAPE}\(28, 28\)$"),
    "cropped": ("train_images", IMAGES[:, 2:-2, 2:-2], rf"{SHAPE}\(20, 24, 24\)$"),
    "no training image": ("train_images", IMAGES[:0], rf"{SHAPE}\(0, 28, 28\)$"),
    "no test image": ("test_images", IMAGES[:0], r"test_images must .* got \(0, 28, 28\)$"),
    "a number": ("train_images", np.array(3), rf"{SHAPE}\(\)$"),
    "other test labels": ("test_labels", LABELS, r"test_labels must have shape \(10,\)"),
    "a tensor": ("train_images", Tensor(), r"got Tensor: numpy\.asarray\(train_images\) makes one"),
    "nothing": ("test_images", None, "test_images must be a NumPy array, got NoneType"),
    "no name": ("name", None, "got None of type NoneType"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_error_names_the_field_and_the_remedy(case: str) -> None:
    field, value, message = WRONG[case]
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        Dataset(**{"name": "mine", **GOOD, field: value})
    assert str(caught.value).startswith(f"{field} must ")


def test_the_remedies_of_the_messages_give_the_same_dataset() -> None:
    expected = Dataset("mine", **GOOD)
    divided = IMAGES / np.float32(255)
    for images in (
        np.rint(255 * divided).astype(np.uint8),
        np.asarray(Tensor()),
        IMAGES.reshape(20, 784).reshape(-1, 28, 28),
    ):
        assert replace(expected, train_images=images).sha256 == expected.sha256
    labels = np.eye(10)[LABELS].argmax(axis=1)
    assert replace(expected, train_labels=labels).sha256 == expected.sha256


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint64", ">i4"])
def test_integers_of_any_dtype_are_kept_as_uint8(dtype: str) -> None:
    plain = Dataset("mine", **GOOD)
    wide = {name: array % 128 for name, array in GOOD.items()}
    converted = Dataset("mine", **{name: array.astype(dtype) for name, array in wide.items()})
    assert all(array.dtype == np.uint8 for array in converted.arrays)
    assert converted.sha256 == Dataset("mine", **wide).sha256
    labels = replace(plain, train_labels=LABELS.astype(dtype))
    assert labels.sha256 == plain.sha256


def test_the_fields_are_read_only_views_without_a_copy() -> None:
    data = Dataset("mine", **GOOD)
    for name, array in GOOD.items():
        field = getattr(data, name)
        assert np.shares_memory(field, array)
        assert array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            field[0] = 1
    again = pickle.loads(pickle.dumps(data))
    assert again.sha256 == data.sha256


def test_only_datasets_sources_and_names_are_data() -> None:
    for wrong in (FEW, None, GOOD):
        with pytest.raises(TypeError, match=r"data must be a d2ldrop\.Dataset, .* got"):
            as_dataset(wrong)  # type: ignore[arg-type]  # a wrong type on purpose
