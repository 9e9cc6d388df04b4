"""The dark variant of a drawn figure: the same SVG with every colour's lightness turned round.

Lightness is that of OKLab (Ottosson 2020), in which equal steps look equal; hue is kept, and as much of the chroma as
a screen can show. White becomes the page's dark background and black its ink, so pale cells of a heat map become dark
ones, and nothing has to be drawn twice.
"""

import re
from functools import cache

import numpy as np

from lmzoo.interface import Array

PAGE, INK = "#14171a", "#eceef0"  # the page's background and text in dark mode: what white and black become
BEND = 2.0  # lightness is raised to this power first: colours of middle lightness become light, and stay readable

_TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929],
     [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468],
     [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip
_COLOUR = re.compile(rb"(?<=[:\"] )#[0-9a-f]{6}\b|(?<=[:\"])#[0-9a-f]{6}\b")


def darkened(svg: bytes) -> bytes:
    """The dark variant of an SVG that matplotlib wrote."""
    turned = _COLOUR.sub(lambda found: turn(found[0].decode()).encode(), svg)
    return turned.replace(b"<svg ", b'<svg fill="%s" ' % INK.encode(), 1)  # what has no colour of its own is black


@cache
def turn(colour: str) -> str:
    """What a colour, as #rrggbb, is in the dark."""
    lightness, *chroma = _lab(colour)
    grey = _lab(INK) + lightness**BEND * (_lab(PAGE) - _lab(INK))
    light = _light(grey + np.linspace(1, 0, 65)[:, None] * [0, *chroma])  # (65, 3), from all of the chroma to grey
    shown = ((light > -1e-4) & (light < 1 + 1e-4)).all(axis=1)
    return _spelled(light[int(np.argmax(shown))].clip(0, 1))


def contrast(a: str, b: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2: 4.5 for text, 3 for graphics)."""
    low, high = sorted(float(_linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (a, b))
    return (high + 0.05) / (low + 0.05)


def _linear(colour: str) -> Array:
    """#rrggbb as amounts of light, (3,)."""
    values = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(colour: str) -> Array:
    return np.asarray(_TO_LAB @ np.cbrt(_TO_CONES @ _linear(colour)))


def _light(labs: Array) -> Array:
    """OKLab (n, 3) as amounts of light (n, 3), outside 0 … 1 where a screen cannot show them."""
    cones = np.linalg.solve(_TO_LAB, labs.T) ** 3
    return np.asarray(np.linalg.solve(_TO_CONES, cones).T)


def _spelled(light: Array) -> str:
    values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * value):02x}" for value in values.tolist())
