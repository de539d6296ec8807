"""A stand-in for Fashion-MNIST, drawn by code, for machines with neither the data nor a network.

It has the shapes, dtypes and classes of the real data and is about as hard to learn: shirts look
like coats, pullovers and T-shirts here too. An accuracy on the stand-in says nothing about the real
data.

Each garment has its own coordinates: x and y from -1 to 1, y points downwards. A silhouette is a
*depth*: how far a point lies inside (positive) or outside (negative). ``minimum`` intersects two
shapes, ``maximum`` unites them. At the end a ramp softens the edge.

The random numbers are integers from `randomness.stream`. All later operations are + - * /,
comparisons and floor, whose rounding IEEE 754 defines. So every platform and every version of NumPy
draws the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, auto
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from d2ldrop.core.randomness import Purpose, stream

Float: TypeAlias = npt.NDArray[np.floating[Any]]
Images: TypeAlias = npt.NDArray[np.uint8]
Range: TypeAlias = tuple[float, float]

# Images drawn at once: enough to limit Python's overhead, few enough for the processor's cache.
_CHUNK = 2000


class _Quantity(IntEnum):
    """The random quantities of an image, each with its own stream.

    The cuts of a garment are numbered from CUT on.
    """

    LABEL = 0
    GRAIN = auto()
    SHIFT_X = auto()
    SHIFT_Y = auto()
    SCALE_X = auto()
    SCALE_Y = auto()
    SHEAR = auto()
    BRIGHTNESS = auto()
    CONTRAST = auto()
    STRIPES_X = auto()
    STRIPES_Y = auto()
    ROUGHNESS = auto()
    CUT = auto()


def stand_in(
    train_size: int = 60_000, test_size: int = 10_000, seed: int = 0
) -> tuple[Images, Images, Images, Images]:
    """Draw training images and labels, test images and labels: uint8, (n, 28, 28) and (n,).

    The labels are 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt,
    7 sneaker, 8 bag and 9 ankle boot, with equal probabilities. The background of an image is 0.

    All random numbers come from the streams of ``Purpose.STAND_IN``. An image depends only on the
    seed, its split and its index, so a smaller set is the beginning of a larger one.
    """
    return *_split(train_size, seed, 0), *_split(test_size, seed, 1)


def _split(size: int, seed: int, split: int) -> tuple[Images, Images]:
    """The images and labels of split 0 (training) or split 1 (test)."""
    # The row GRAIN is not used: the grain is read below as bytes, chunk by chunk.
    quantities = _Quantity.CUT + max(len(ranges) for _, ranges in _GARMENTS)
    drawn = np.stack([_uniform(size, seed, split, quantity) for quantity in range(quantities)])
    labels = np.floor(10 * drawn[_Quantity.LABEL]).astype(np.uint8)
    images = np.empty((size, 28, 28), np.uint8)
    bits = stream(seed, Purpose.STAND_IN, a=split, b=_Quantity.GRAIN)
    for start in range(0, size, _CHUNK):
        chunk = slice(start, min(start + _CHUNK, size))
        words = bits.random_raw((chunk.stop - start) * (28 * 28 // 8))
        # One byte per pixel. astype makes the bytes the same on big-endian machines.
        grain = words.astype("<u8", copy=False).view(np.uint8).reshape(-1, 28, 28)
        for label in range(10):
            (chosen,) = np.nonzero(labels[chunk] == label)
            images[start + chosen] = _draw(label, drawn[:, start + chosen], grain[chosen])
    return images, labels


def _uniform(size: int, seed: int, split: int, quantity: int) -> Float:
    """``size`` multiples of 2**-24 in [0, 1), which float32 holds exactly."""
    words = stream(seed, Purpose.STAND_IN, a=split, b=quantity).random_raw(size)
    return (words >> np.uint64(40)).astype(np.float32) * 2.0**-24


def _draw(label: int, drawn: Float, grain: Images) -> Images:
    """Images (n, 28, 28) of one class; ``drawn`` is (quantities, n), ``grain`` (n, 28, 28)."""

    def between(low: float, high: float, quantity: int) -> Float:
        return low + (high - low) * drawn[quantity, :, None, None]

    pixel: Float = np.arange(-27, 28, 2, dtype=np.float32) / 27
    x: Float = pixel * between(0.88, 1.1, _Quantity.SCALE_X)
    y: Float = pixel[:, None] * between(0.92, 1.1, _Quantity.SCALE_Y)
    y = y + between(-0.15, 0.15, _Quantity.SHIFT_Y)
    x = x + between(-0.15, 0.15, _Quantity.SHIFT_X) + between(-0.08, 0.08, _Quantity.SHEAR) * y
    silhouette, ranges = _GARMENTS[label]
    cuts = {
        name: between(*bounds, _Quantity.CUT + k) for k, (name, bounds) in enumerate(ranges.items())
    }
    # Half of all cloth is plain: a negative contrast becomes 0.
    contrast = np.maximum(between(-0.8, 0.8, _Quantity.CONTRAST), 0)
    stripes = between(-4, 4, _Quantity.STRIPES_X) * x + between(-4, 4, _Quantity.STRIPES_Y) * y
    weave = between(0.1, 0.4, _Quantity.ROUGHNESS) * (grain.astype(np.float32) / 128 - 1)
    cloth = between(0.5, 0.95, _Quantity.BRIGHTNESS) * (1 - contrast * _wave(stripes)) * (1 + weave)
    light = np.minimum(cloth, 1) * silhouette(x, y, **cuts)
    images: Images = np.floor(255 * light).astype(np.uint8)
    return images


def _wave(t: Float) -> Float:
    """A triangle wave of period 1: 0 at the integers, 1 half-way between."""
    from_half: Float = np.abs(2 * (t - np.floor(t)) - 1)
    return np.float32(1) - from_half


def _soft(depth: Float) -> Float:
    """1 inside, 0 outside, with a ramp one pixel wide at the edge."""
    cover: Float = np.clip(14 * depth + 0.5, 0, 1)
    return cover


def _top(
    x: Float,
    y: Float,
    *,
    sleeve: Float,
    spread: Float,
    thickness: Float,
    width: Float,
    waist: Float,
    flare: Float,
    hem: Float,
    neck: Float,
    front: Float,
) -> Float:
    """A garment for the upper body; its arms end at ``sleeve``, ``front`` darkens the opening."""
    side: Float = np.abs(x)
    half = width - waist * np.maximum(1 - np.abs(2 * y), 0) + flare * np.maximum(y, 0)
    body = np.minimum(half - side, hem - y)
    bend = np.abs(side - width + 0.6 * thickness - spread * (y + 0.8))
    arm = np.minimum(thickness - bend, sleeve - y)
    shoulder = y + 0.95 - 0.3 * side
    neckline = y + 0.95 - neck + (x / neck) * x
    cloth = np.minimum(np.maximum(body, arm), np.minimum(shoulder, neckline))
    armhole = np.minimum(0.02 - np.abs(half - side), np.minimum(sleeve, hem) - y)
    seams: Float = (1 - front * _soft(0.02 - side)) * (1 - 0.7 * _soft(armhole))
    return _soft(cloth) * seams


def _trousers(
    x: Float, y: Float, *, hip: Float, spread: Float, crotch: Float, gap: Float, length: Float
) -> Float:
    """Two legs that part below ``crotch``, under a belt."""
    side = np.abs(x)
    outer = hip + spread * (y + 1) - side
    legs = np.maximum(crotch - y, side - gap * (y - crotch))
    cloth = np.minimum(np.minimum(outer, legs), np.minimum(y + 0.95, length - y))
    return _soft(cloth) * (1 - 0.3 * _soft(0.02 - np.abs(y + 0.8)))


def _shoe(
    x: Float,
    y: Float,
    *,
    ground: Float,
    toe: Float,
    instep: Float,
    ankle: Float,
    height: Float,
    dent: Float,
    heel: Float,
    opening: Float,
    slant: Float,
    sole: Float,
) -> Float:
    """A shoe that points left, ``height`` high; an ``opening`` above 0 leaves only straps."""
    lift = ground - y
    arch = lift - heel * np.clip(x + 0.4, 0, 1)
    rise = toe * np.minimum(4 * x + 4, 1) + instep * (x + 0.9) + 4 * np.maximum(x - ankle, 0)
    collar = height - dent * np.maximum(1 - np.abs(3 * x - 2), 0)
    upper = np.minimum(np.minimum(rise, collar) - lift, np.minimum(x + 0.9, 0.9 - x))
    straps = np.minimum(upper, 0.3 * (_wave(1.5 * x + slant * y) - opening))
    footbed = np.minimum(upper + 0.1, sole - arch)
    block = np.minimum(np.minimum(lift, 0.1 - arch), np.minimum(x - 0.6, 0.9 - x))
    shoe = np.maximum(np.minimum(np.maximum(straps, footbed), arch), block)
    return _soft(shoe) * (1 - 0.4 * _soft(0.02 - np.abs(arch - sole)))


def _bag(
    x: Float,
    y: Float,
    *,
    width: Float,
    top: Float,
    bottom: Float,
    taper: Float,
    reach: Float,
    strap: Float,
    flap: Float,
) -> Float:
    """A box with a flap, under a strap that reaches up by ``reach``."""
    box = np.minimum(width + taper * (y - bottom) - np.abs(x), np.minimum(y - top, bottom - y))
    across, up = x / (0.7 * width), (y - top) / reach
    arch = 1 - across * across - up * up
    handle = np.minimum(0.2 * (strap - np.abs(arch - strap)), top + 0.05 - y)
    edge = 0.02 - np.abs(y - top - flap * (bottom - top))
    return _soft(np.maximum(box, handle)) * (1 - 0.5 * _soft(edge))


_TOP: dict[str, Range] = {
    "sleeve": (0.4, 0.95),
    "spread": (0.1, 0.3),
    "thickness": (0.12, 0.2),
    "width": (0.4, 0.58),
    "waist": (0.0, 0.1),
    "flare": (-0.05, 0.1),
    "hem": (0.7, 0.95),
    "neck": (0.1, 0.3),
    "front": (0.0, 0.2),
}
_TROUSERS: dict[str, Range] = {
    "hip": (0.25, 0.5),
    "spread": (-0.05, 0.12),
    "crotch": (-0.7, -0.3),
    "gap": (0.02, 0.25),
    "length": (0.8, 1.0),
}
_SHOE: dict[str, Range] = {
    "ground": (0.3, 0.5),
    "toe": (0.2, 0.4),
    "instep": (0.25, 0.5),
    "ankle": (0.1, 0.5),
    "height": (0.5, 0.9),
    "dent": (0.0, 0.15),
    "heel": (0.0, 0.05),
    "opening": (-0.5, 0.0),
    "slant": (-2.0, 2.0),
    "sole": (0.1, 0.2),
}
_BAG: dict[str, Range] = {
    "width": (0.6, 0.95),
    "top": (-0.5, 0.1),
    "bottom": (0.6, 0.95),
    "taper": (-0.2, 0.3),
    "reach": (0.2, 0.8),
    "strap": (0.1, 0.4),
    "flap": (0.1, 0.6),
}

_SANDAL = dict(_SHOE, toe=(0.1, 0.3), height=(0.4, 1.1), heel=(0.0, 0.5), opening=(0.05, 0.7))
_BOOT = dict(_SHOE, ground=(0.75, 0.95), ankle=(-0.2, 0.3), height=(1.0, 1.8), heel=(0.0, 0.3))

# The silhouette of each class and the range of each cut. The ranges overlap where the real classes
# are hard to tell apart, such as shirts and other tops.
_GARMENTS: tuple[tuple[Callable[..., Float], dict[str, Range]], ...] = (
    (_top, dict(_TOP, sleeve=(-0.6, -0.1), spread=(0.3, 0.6), thickness=(0.15, 0.25))),
    (_trousers, _TROUSERS),
    (_top, dict(_TOP, hem=(0.6, 0.85))),
    (_top, dict(_TOP, sleeve=(-1.2, 0.2), width=(0.25, 0.42), flare=(0.0, 0.4), hem=(0.85, 1.0))),
    (_top, dict(_TOP, flare=(0.0, 0.2), hem=(0.8, 1.0), neck=(0.15, 0.4), front=(0.4, 1.0))),
    (_shoe, _SANDAL),
    (_top, dict(_TOP, sleeve=(-0.3, 0.5), width=(0.36, 0.58), hem=(0.75, 1.0), front=(0.1, 0.8))),
    (_shoe, _SHOE),
    (_bag, _BAG),
    (_shoe, _BOOT),
)
