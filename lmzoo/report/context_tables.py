"""The tables of context and of calibration, as grids of words for the page and for Markdown."""

from typing import Any

from lmzoo.report.context_figures import in_order
from lmzoo.report.summary import DASH, Comparison, Grid


def contexts(comparison: Comparison) -> dict[str, Any] | None:
    """Bits per character by allowed context and by position, a line for each model; and what is to be said of them."""
    rows = in_order(comparison, "context")
    asked = [row for row in rows if row["allowed"]]
    if not asked:
        return None
    heads = sorted({point["context"] for row in asked for point in row["allowed"]})
    kept = [head for head in heads if head & (head - 1) == 0]
    lines = [(row["label"], [_allowed(row, a, b) for a, b in zip([-1, *kept], kept, strict=False)]) for row in asked]
    most = max((row["positions"] for row in asked), key=len)
    return {
        "allowed": Grid(tuple(f"{head:,}" for head in kept), lines),
        "positions": Grid(tuple(_span(one) for one in most), [(row["label"], _positions(row, most)) for row in asked]),
        "notes": [f"{row['label']}: {row['note']}" for row in rows if row["note"]],
        "about": asked[0],
    }


def _allowed(row: dict[str, Any], above: int, up_to: int) -> tuple[str, str]:
    """What a model needs behind `up_to` tokens, or fewer but more than `above` where it sees no further."""
    for point in row["allowed"]:
        if above < point["context"] <= up_to:
            own = f"at {point['context']}" if point["context"] < up_to else ""
            return f"{point['bits_per_character']:.3f}", own or _interval(point)
    return "", ""


def _positions(row: dict[str, Any], most: list[dict[str, Any]]) -> list[tuple[str, str]]:
    found = {one["last"]: (f"{one['bits_per_character']:.3f}", _interval(one)) for one in row["positions"]}
    return [found.get(one["last"], ("", "")) for one in most]


def _span(one: dict[str, Any]) -> str:
    return str(one["first"]) if one["first"] == one["last"] else f"{one['first']}{DASH}{one['last']}"


def _interval(point: dict[str, Any]) -> str:
    return f"{point['interval'][0]:.2f}{DASH}{point['interval'][1]:.2f}" if point["interval"] else ""


def trusted(comparison: Comparison) -> dict[str, Any] | None:
    """What each model's likeliest tokens are worth, a line for each."""
    rows = in_order(comparison, "calibration")
    if not rows:
        return None
    heads = ("calibration error", "by chance up to", "it says", "it is right", "among five", "mean rank", "of")
    lines = []
    for row in rows:
        low, high = row["interval"]
        lines.append((row["label"], [
            (f"{row['error']:.3f}", ""), (f"{row['by_chance']:.3f}", ""), (f"{row['confidence']:.3f}", ""),
            (f"{row['accuracy']:.3f}", f"{low:.3f}{DASH}{high:.3f}"), (f"{row['among_five']:.3f}", ""),
            (f"{row['mean_rank']:,.1f}", ""), (f"{row['vocabulary']:,}", "tokens"),
        ]))  # fmt: skip
    return {"grid": Grid(heads, lines), "tokens": rows[0]["tokens"]}
