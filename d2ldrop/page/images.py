"""Small pictures as data URIs: masks, filters and test images."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 28
"""Pixels of an image's side."""
PALETTE = np.array([(33, 102, 172), (247, 247, 247), (178, 24, 43)], float)
"""Negative, zero, positive: readable with any colour vision, and of different brightness in grey
only by the distance from zero."""


def mask_picture(mask: npt.NDArray[np.bool_]) -> str:
    """A mask (rows, columns) with one bit per pixel: kept is white, dropped is black."""
    return _uri(Image.fromarray(mask.astype(np.uint8) * 255).convert("1"))


def image_picture(pixels: npt.NDArray[np.uint8]) -> str:
    """A test image, uint8 (784,), dark on white as on paper."""
    return _uri(Image.fromarray(255 - pixels.reshape(SIDE, SIDE)))


def filters_picture(filters: npt.NDArray[Any], columns: int) -> str:
    """Filters (784, n), each scaled to its own largest weight, in rows of ``columns`` pictures."""
    largest = np.abs(filters).max(axis=0)
    scaled = filters / np.where(largest > 0, largest, 1)
    rows = -(-filters.shape[1] // columns)
    sheet = np.full((rows * (SIDE + 1) - 1, columns * (SIDE + 1) - 1, 3), 255, np.uint8)
    for number, one in enumerate(scaled.T):
        y, x = (place * (SIDE + 1) for place in divmod(number, columns))
        sheet[y : y + SIDE, x : x + SIDE] = _coloured(one.reshape(SIDE, SIDE))
    return _uri(Image.fromarray(sheet))


def file_picture(path: Path) -> str:
    """A picture file, .png or .svg. No script in it runs, because an ``img`` shows it."""
    kind = {".png": "png", ".svg": "svg+xml"}[path.suffix]
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _coloured(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The colours (…, 3) of values in [-1, 1]."""
    low, middle, high = PALETTE
    end = np.where(values[..., None] < 0, low, high)
    colours: npt.NDArray[np.uint8] = np.rint(
        middle + np.abs(values[..., None]) * (end - middle)
    ).astype(np.uint8)
    return colours


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
