"""How colours are seen: contrast, distance, and by eyes that lack a kind of cone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.color import Color

# Machado, Oliveira, Fernandes: "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE
# Transactions on Visualization and Computer Graphics 15 (6), 2009; their matrices for severity 1.0, on linear RGB.
DEFICIENCIES = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(colour: Color) -> tuple[float, float, float]:
    """Linear RGB of an sRGB colour (IEC 61966-2-1)."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (c / 255 for c in colour.rgb))
    return r, g, b


def contrast(one: Color, other: Color) -> float:
    """WCAG 2.2, "contrast ratio" of two "relative luminances" (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""

    def luminance(colour: Color) -> float:
        r, g, b = linear(colour)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: Sequence[float]) -> tuple[float, float, float]:
    """CIE 1976 L*a*b* of linear RGB, white D65."""
    r, g, b = rgb
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883

    def f(t: float) -> float:
        return t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116

    return 116 * f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))


def apart(one: Color, other: Color, deficiency: str = "") -> float:
    """CIE 1976 colour difference, as someone with that deficiency sees it; 2.3 is just noticed."""

    def seen(colour: Color) -> tuple[float, float, float]:
        rgb = linear(colour)
        if deficiency:
            rows = DEFICIENCIES[deficiency]
            rgb = tuple(min(1.0, max(0.0, sum(map(math.prod, zip(row, rgb, strict=True))))) for row in rows)  # type: ignore[assignment]
        return lab(rgb)

    return math.dist(seen(one), seen(other))
