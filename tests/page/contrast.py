"""The contrast of two colours, as WCAG 2 defines it."""

from __future__ import annotations

import re


def contrast(one: str, other: str) -> float:
    """The contrast of two colours such as "#1d2228" or "rgb(29, 34, 40)": 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    red, green, blue = linear_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear_rgb(colour: str) -> list[float]:
    """Red, green and blue light between 0 and 1, without the gamma of sRGB."""
    if colour.startswith("rgb"):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    else:
        parts = [value / 255 for value in bytes.fromhex(colour.removeprefix("#"))]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
