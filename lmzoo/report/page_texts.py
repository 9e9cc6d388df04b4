"""What the report's page shows of texts: one passage as each model read it, and what each model wrote.

Both take the comparison as `report` has it. A comparison made before there were alternatives, words and copied
stretches is shown without them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lmzoo.report.canvas import family
from lmzoo.report.summary import Comparison, amount

# Surprisal in bits → a class of the scale: each step up is twice the surprise.
EDGES = (0.5, 1, 2, 4, 8, 16)
# Background and text of each class: ColorBrewer's YlOrBr (Brewer 2003), which grows darker evenly, so that it
# can be read without colour vision. The page and its dark mode share it; the tests hold its contrast.
SCALE = (
    ("#fffdf2", "#000000"), ("#fff0b3", "#000000"), ("#fed976", "#000000"), ("#fdae4b", "#000000"),
    ("#ec7014", "#000000"), ("#b84203", "#ffffff"), ("#6b2204", "#ffffff"),
)  # fmt: skip


def passages(comparison: Comparison) -> list[dict[str, Any]]:
    """Each scored passage, by the year of the model's idea and then from most bits to fewest.

    Its `words` are lists of pieces, with the word's class of surprise and what is said of it; a passage without words
    is one list, of which nothing is said (`corrected` is false). `told`: whether alternatives are. `chosen` is the
    passage with the fewest bits: the page opens with it.
    """
    shown = [_passage(passage) for passage in _by_year(comparison, "passages") if passage["pieces"]]
    fewest = min(shown, key=lambda passage: passage["bits"], default=None)
    return [passage | {"chosen": passage is fewest} for passage in shown]


def _by_year(comparison: Comparison, key: str) -> list[dict[str, Any]]:
    """The entries under `key`, each with its row's family and year; those without a row (None) come first."""
    rows = {row["label"]: row for row in comparison["rows"]}
    entries = []
    for entry in comparison.get(key, []):
        row = rows.get(entry["label"], {})
        bits = row["score"]["bits_per_character"] if row.get("score") else 0.0
        order = (row.get("year") or 0, -bits)
        entries.append((order, entry | {"family": family(row.get("model", entry["label"])), "year": row.get("year")}))
    return [entry for _, entry in sorted(entries, key=lambda pair: pair[0])]


def _passage(passage: dict[str, Any]) -> dict[str, Any]:
    pieces = [
        {"text": piece["text"], "level": bisect_right(EDGES, piece["bits"]), "said": _piece_said(piece)}
        for piece in passage["pieces"]
    ]
    words, start = [], 0
    for word in passage.get("words", []):
        parts, start = slice(start, start + word["pieces"]), start + word["pieces"]
        own = sum(piece["bits"] for piece in passage["pieces"][parts])
        words.append(
            {"level": bisect_right(EDGES, word["bits"]), "said": _word_said(word, own), "pieces": pieces[parts]}
        )
    worst = sorted(passage["pieces"], key=lambda piece: -piece["bits"])[:3]
    return {
        **{key: passage[key] for key in ("label", "family", "year")},
        "words": words or [{"said": None, "pieces": pieces}],
        "corrected": bool(words),
        "told": any("likeliest" in piece for piece in passage["pieces"]),
        "bits": sum(piece["bits"] for piece in passage["pieces"]),
        "characters": sum(len(piece["text"]) for piece in passage["pieces"]),
        "worst": [surprise(piece["text"], piece["bits"]) for piece in worst],
    }


def surprise(text: str, bits: float) -> str:
    """'“ the”: 3.2 bits, 1 in 9.2'"""
    odds = f", 1 in {amount(2**bits)}" if bits < 40 else ""
    return f"{_quoted(text)}: {bits:.1f} bits{odds}"


def _piece_said(piece: dict[str, Any]) -> str:
    """Its surprise, and a line for each of the likeliest pieces: '20.1 % “ a”'."""
    likeliest = [f"{_percent(share)} {_quoted(text)}" for text, share in piece.get("likeliest", {}).items()]
    return "\n".join([surprise(piece["text"], piece["bits"]), *likeliest])


def _word_said(word: dict[str, Any], own: float) -> str:
    """Its surprise, and that of its pieces as they are."""
    pieces = "its piece" if word["pieces"] == 1 else f"its {word['pieces']} pieces"
    return f"{surprise(word['text'].strip(), word['bits'])}\n{own:.1f} bits: {pieces}"


def _quoted(text: str) -> str:
    return "“" + text.replace("\n", "↵").replace("\t", "→") + "”"


def _percent(share: float) -> str:
    """0.201 → '20.1 %', 0.00012 → '0.012 %'."""
    percent = 100 * share
    return f"{percent:.1f} %" if percent >= 1 else f"{percent:#.2g} %" if percent >= 1e-3 else "< 0.001 %"


def samples(comparison: Comparison) -> list[dict[str, Any]]:
    """Each sample, in the passages' order, with its `parts`, (text, whether it is copied), and what is `said` of it."""
    return [sample | _marked(sample) for sample in _by_year(comparison, "samples")]


def _marked(sample: dict[str, Any]) -> dict[str, Any]:
    text, stretches = sample["text"], sample.get("stretches", [])
    cuts = [0, *(place for stretch in stretches for place in stretch), len(text)]
    parts = [(text[start:end], n % 2 == 1) for n, (start, end) in enumerate(pairwise(cuts)) if end > start]
    return {"parts": parts, "said": _copied_said(sample)}


def _copied_said(sample: dict[str, Any]) -> Sequence[str]:
    """How much was copied, and the longest match; nothing of a sample that was not compared with its training text."""
    if sample.get("copied") is None:
        return []
    longest = sample["longest"]["characters"]
    return [f"{100 * sample['copied']:.0f} % copied", f"longest match {longest} characters"]
