"""A text coloured by what one unit holds after each token, for a terminal and as a page of its own."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

LOW, HIGH = (0, 114, 178), (213, 94, 0)  # Okabe & Ito's blue and vermilion, on white: told apart by everyone
STRONGEST = 0.75  # share of the hue at the highest value, so that black is read on it


@dataclass(frozen=True)
class Reading:
    """A text as a unit read it: pieces that join to it, and the value after each."""

    title: str  # "unit 117 of runs/reviews"
    pieces: Sequence[str]
    values: Sequence[float]

    @property
    def most(self) -> float:
        """The largest value, whatever its sign: the end of the scale."""
        return max(map(abs, self.values), default=0.0)

    def colours(self) -> list[str]:
        """The background of each piece, "#rrggbb": white at zero, blue below it and vermilion above."""
        return [colour(value, self.most) for value in self.values]

    @property
    def caption(self) -> str:
        """In words: what the colours mean."""
        low, high = min(self.values, default=0.0), max(self.values, default=0.0)
        last = self.values[-1] if self.values else 0.0
        return (
            f"{self.title}: from {low:.3g} to {high:.3g}, at the end {last:.3g}; "
            "blue is below zero, orange above, and stronger is farther"
        )


def colour(value: float, most: float) -> str:
    """The colour of a value on a scale from -most over white to most."""
    share = STRONGEST * min(1.0, abs(value) / most) if most else 0.0
    mixed = (round(255 + share * (part - 255)) for part in (HIGH if value > 0 else LOW))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def shown(piece: str) -> str:
    """A piece without the line end that a text is read after."""
    return piece.replace("\n", "")


def page(readings: Sequence[Reading]) -> str:
    """One HTML file with all readings. The value of a piece is its title, which a pointer shows."""
    parts = []
    for one in readings:
        pieces = zip(one.pieces, one.values, one.colours(), strict=True)
        spans = "".join(
            f'<span style="background:{hue}" title="{value:.3g}">{html.escape(shown(piece))}</span>'
            for piece, value, hue in pieces
        )
        parts.append(f"<figure><p>{spans}</p><figcaption>{html.escape(one.caption)}</figcaption></figure>")
    title = html.escape(readings[0].title if readings else "")
    return PAGE.replace("TITLE", title).replace("BODY", "\n".join(parts))


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
body { font: 1.05rem/1.7 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; background: #fff; color: #000; }
figure { margin: 0 0 2rem; }
figure p { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
figcaption { color: #555; font-size: .85rem; margin-top: .4rem; }
</style>
<h1>TITLE</h1>
BODY
</html>
"""  # noqa: E501
