"""Synthetic comparisons, such as `lmzoo compare` would hand over: no model is trained for them."""

import copy
import math
from collections.abc import Callable
from typing import Any

from lmzoo.comparison.compare import compare
from lmzoo.comparison.results import Comparison
from lmzoo.evaluation.statistics import wilson
from lmzoo.report import page
from lmzoo.report.canvas import Canvas
from lmzoo.report.section import find, sections
from lmzoo.report.table import Cell, Table

SHA = "ab12" * 16
FAMILIES = {
    "uniform": "baseline", "ngram": "count", "cache": "count", "pmi": "association", "word2vec": "association",
    "mlp": "feedforward", "lstm": "recurrent", "gpt": "transformer", "bert": "masked",
}  # fmt: skip
STORY = "Sean came to the hack space.\nThe hyenas sit on the mat, and he likes them.\n"


def compared(*specs_corpus_folder_run: Any, **how: Any) -> dict:
    """`compare` with all sections of the report, as JSON."""
    return compare(*specs_corpus_folder_run, sections=sections(), **how).to_json()


def made(given: dict | None = None) -> Comparison:
    """A comparison as `compare` returns it, from its JSON."""
    return Comparison.from_json(comparison() if given is None else given, sections())


def render(given: dict | None = None) -> dict[str, bytes]:
    """The files of a report, from the JSON of a comparison."""
    return page.render(made(given))


def draw(section_id: str, given: dict, canvas: Canvas) -> tuple[Any, str] | None:
    """A section's figure and its content in words; None where the page would show none."""
    return _of_section("figure", section_id, given, canvas)


def tables(section_id: str, given: dict) -> tuple[Table, ...]:
    """A section's tables; () where the page would show none."""
    found = _of_section("table", section_id, given)
    return () if found is None else (found,) if isinstance(found, Table) else tuple(found)


def view(section_id: str, given: dict) -> dict[str, Any] | None:
    """What a section's template is given beside tables and figure."""
    return _of_section("view", section_id, given)


def _of_section(what: str, section_id: str, given: dict, *canvas: Canvas) -> Any:
    section, whole = find(section_id), made(given)
    facts = whole.facts.get(section_id)
    if section.facts is not None and not facts:
        return None
    return getattr(section, what)(facts, whole, *canvas)


def pairs(cells: list[Cell]) -> list[tuple[str, str]]:
    """Cells as (text, aside)."""
    return [(cell.text, cell.aside) for cell in cells]


def score(bits_per_character: float, characters: int = 200_000, of_words: bool = False) -> dict:
    """A score; `of_words`: whose tokens are the words of the text, so that published perplexities compare."""
    bits, tokens = bits_per_character * characters, characters // 4
    words = tokens if of_words else characters // 5
    return {
        "bits": bits, "characters": characters, "bytes": characters + 20, "tokens": tokens, "words": words,
        "bits_per_character": bits_per_character, "bits_per_byte": bits / (characters + 20),
        "perplexity_per_token": 2 ** (bits / tokens), "perplexity_per_word": 2 ** (bits / words),
        "protocol": "stream", "sha256": SHA,
    }  # fmt: skip


def row(label: str, bits: float | None, **changes: object) -> dict:
    model = label.split()[0]
    made = {
        "label": label, "model": model, "year": 1995, "paper": f"The paper of {model}", "config": {},
        "tokenizer": "word:5000", "train_seconds": 1.234, "reach": 4, "tokens_per_second": 1.2e6,
        "size": {"count": 123_456, "unit": "n-grams", "bytes": 1_234_567},
        "score": None if bits is None else score(bits, of_words=changes.get("tokenizer") == "split"),
        "interval": None if bits is None else [bits - 0.02, bits + 0.02],
        "error": "every token has probability zero" if bits is None else None, "notes": [],
        "family": FAMILIES.get(model, "other"),
    }  # fmt: skip
    return made | changes


def passage(label: str, size: int, text: str = STORY) -> dict:
    """A passage without alternatives and words, as older comparisons have it."""
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    bits = [abs(math.sin(i * 1.7 + size)) ** 3 * 5 * size for i in range(len(pieces))]
    return {"label": label, "pieces": [{"text": t, "bits": b} for t, b in zip(pieces, bits, strict=True)]}


def read_passage(label: str, size: int, text: str = STORY) -> dict:
    """What `lmzoo.analysis.surprisal.facts_of` gives: a passage with the likeliest pieces, and words of two pieces
    each."""
    made = passage(label, size, text)
    pieces = made["pieces"]
    for piece, other in zip(pieces, [*pieces[1:], *pieces[:1]], strict=True):
        piece["likeliest"] = {other["text"]: 0.5, piece["text"]: 2 ** -piece["bits"], "\n": 1.25e-7}
    pairs = [pieces[i : i + 2] for i in range(0, len(pieces), 2)]
    words = [{"text": "".join(p["text"] for p in pair), "pieces": len(pair), "bits": pair[0]["bits"]} for pair in pairs]
    return made | {"words": words}


def comparison(**changes: object) -> dict:
    """What `lmzoo compare` hands over on the built-in corpus, small."""
    counts = {"train": 2_000_000, "valid": 200_000, "test": 200_000}
    mkn = {"order": 5, "smoothing": "modified-kneser-ney"}
    made = {
        "name": "storyworld", "title": "Storyworld", "command": "lmzoo compare", "date": "2026-11-21",
        "machine": "AMD EPYC, 2 cores, 24 GiB, Linux", "commit": "01808a0", "seconds": 61.2,
        "versions": {"lmzoo": "0.1.0", "python": "3.11.7", "numpy": "2.4.1"},
        "corpus": {
            "name": "storyworld", "title": "Storyworld: small stories", "licence": "MIT", "citation": "",
            "source": "generated, seed 0", "protocol": "stream", "sha256": dict.fromkeys(counts, SHA),
            "characters": counts, "bytes": counts, "floor_bits": 220_000.0,
        },
        "rows": [
            row("uniform", 2.46, year=1928, reach=0, size={"count": 0, "unit": "parameters", "bytes": 812}),
            row("ngram order=5", 1.31, config=mkn),
            row("ngram order=3", 1.47, config=mkn | {"order": 3}),
            row("ngram order=5 smoothing=mle", None, config={"order": 5, "smoothing": "mle"}),
        ],
        "references": [
            {"label": "xz", "given_train": True, "note": "given the training text", "bits": 3.8e5,
             "bits_per_character": 1.91},
            {"label": "bz2", "given_train": False, "note": "alone", "bits": 4e5, "bits_per_character": 2.0},
            {"label": "gzip", "given_train": True, "note": "given its last 32 kB", "bits": 5e5,
             "bits_per_character": 2.52},
            {"label": "gzip", "given_train": False, "note": "alone", "bits": 6.2e5, "bits_per_character": 3.1},
            {"label": "xz", "given_train": False, "note": "alone", "bits": 4.4e5, "bits_per_character": 2.2},
        ],
        "differences": [
            {"a": "ngram order=5", "b": "uniform", "delta": -1.15, "low": -1.2, "high": -1.1},
            {"a": "ngram order=3", "b": "ngram order=5", "delta": 0.16, "low": 0.14, "high": 0.18},
        ],
        "orders": [
            {"order": order, "smoothing": smoothing, "bits_per_character": 1.3 + 1.1 / order**1.7 + extra}
            for smoothing, extra in (("modified-kneser-ney", 0.0), ("kneser-ney", 0.02))
            for order in range(1, 7)
        ],
        "passages": [read_passage("ngram order=5", 4), passage("uniform", 1)],
        "samples": [
            {"label": "ngram order=5", "prompt": "The cat", "seed": 1, "text": " sits on the mat.\n" * 3, "copied": 0.5,
             "least": 30, "stretches": [[3, 30]], "longest": {"characters": 27, "start": 3, "training_start": 900}},
            {"label": "uniform", "prompt": "", "seed": 1, "text": "mat qua ;; rev the\n"},
        ],
    }  # fmt: skip
    return copy.deepcopy(made) | changes


def associations() -> dict:
    """What `lmzoo.comparison.associations.facts` adds to a comparison, small: of pmi, and of word2vec, which knows
    no analogy."""
    words = ["king", "queen", "man", "woman", "bread", "cheese", "eats", "sings", "river", "hill"]

    def named(label: str) -> dict:
        return {"label": label, "model": label.split()[0]}

    def score(correct: int, questions: int) -> dict:
        accuracy = correct / questions if questions else None
        return {"section": "", "correct": correct, "questions": questions, "accuracy": accuracy, "unanswerable": 10}

    def analogies(correct: int, questions: int) -> dict:
        parts = {part: score(correct, questions) for part in ("semantic", "syntactic", "total")}
        return {"method": "add", "restrict": 30_000, "sections": [], "unanswerable": 10, **parts}

    def judged(value: float | None) -> dict:
        return {"spearman": value, "pearson": value, "pairs": 300, "unknown": 53}

    return {
        "distances": [
            named("pmi") | {"exponent": 1.2, "lambdas": [1.4, 0.7, 0.5], "bits_per_token": 6.0,
                            "unigram_bits_per_token": 8.25},
            named("word2vec dimensions 50") | {"exponent": 0.9, "lambdas": [1.0, 0.2, -0.1, 0.0, 0.1],
                                               "bits_per_token": 7.0, "unigram_bits_per_token": 8.25},
        ],
        "factorised": [
            named("pmi") | {"window": 3, "weights": "flat", "negative": None, "pairs": 20_000, "pearson": 0.95,
                            "spearman": 0.9, "median_gap": 0.2},
            named("word2vec dimensions 50") | {
                "window": 5, "weights": "linear", "negative": 5.0, "pairs": 20_000, "pearson": 0.91,
                "spearman": 0.89, "median_gap": -0.25,
                "hexagons": {"width": 0.5, "cells": [[x / 2, x / 2.5, 1 + 300 * (x == 0)] for x in range(-8, 9)]},
            },
        ],
        "word_tests": {
            "sets": ["WordSim-353", "SimLex-999", "MEN", "RG-65"], "restrict": 30_000,
            "rows": [
                named(label) | {
                    "words": 9000,
                    "sets": {"WordSim-353": judged(value), "SimLex-999": judged(-0.1), "MEN": judged(value),
                             "RG-65": judged(None)},
                    "analogies": {"add": analogies(*solved), "mul": analogies(*solved)},
                }
                for label, value, solved in (("pmi", 0.5, (25, 100)), ("word2vec dimensions 50", 0.625, (0, 0)))
            ],
        },
        "neighbours": {
            "words": ["king", "bread"],
            "rows": [
                named(label) | {"found": [[["queen", 0.9], [third, 0.5]], [["cheese", 0.8], ["eats", 0.1]]]}
                for label, third in (("pmi", "man"), ("word2vec dimensions 50", "woman"))
            ],
        },
        "map": named("word2vec dimensions 50") | {
            "method": "pca", "variance": [0.3, 0.2], "words": [*words, *(word.title() for word in words)],
            "points": [[math.sin(i * 2.4) * i, math.cos(i * 2.4) * i] for i in range(20)],
        },
    }  # fmt: skip


def with_associations(**changes: object) -> dict:
    """A comparison in which two of the rows are associations."""
    rows = [row("pmi", 1.5, peak_bytes=250_000_000), row("word2vec dimensions 50", 1.6), row("uniform", 2.46)]
    return comparison(rows=rows, **associations()) | changes


def learning_curves(source: float = 1.1) -> dict:
    """What `lmzoo.comparison.curves.row` gives of three: one heads for the source, one for a floor of its own, one
    fails."""

    def points(law: Callable[[float], float | None], error: str | None = None) -> list[dict]:
        made = []
        for share in (2.0**-n for n in range(6, -1, -1)):
            bits = law(2_000_000 * share)
            made.append({"share": share, "characters": int(2_000_000 * share), "tokens": int(500_000 * share),
                         "bits_per_character": bits, "seconds": 1.5, "remarks": [],
                         "error": error if bits is None else None})  # fmt: skip
        return made

    def fit(exponent: float, constant: float, floor: float, kind: str) -> dict:
        return {"exponent": exponent, "standard_error": 0.01, "interval": [exponent - 0.026, exponent + 0.026],
                "constant": constant, "floor": floor, "floor_is": kind, "r2": 0.99, "points": 7}  # fmt: skip

    rows = [
        {"label": "ngram order=5", "model": "ngram", "points": points(lambda d: source + (15_000 / d) ** 0.3),
         "fit": fit(0.3, 15_000, source, "source")},
        {"label": "ngram order=3", "model": "ngram", "points": points(lambda d: source + 0.2 + 18_000 / d),
         "fit": fit(1.0, 18_000, source + 0.2, "fitted")},
        {"label": "lstm", "model": "lstm", "fit": None,
         "points": points(lambda d: 2.0 if d > 1e6 else 2.1 if d > 5e5 else None, "a batch is more than the text")},
    ]  # fmt: skip
    return {"curves": {"rows": rows}}


def contexts() -> dict:
    """What `lmzoo.analysis.context_length.facts_of` and `lmzoo.analysis.calibration.facts_of` add to a comparison, a
    row for each model."""

    def named(label: str) -> dict:
        return {"label": label, "model": label.split()[0]}

    def used(label: str, reach: int | None, bits: dict[int, float], note: str = "") -> dict:
        def point(value: float) -> dict:
            return {"bits_per_character": value, "interval": [value - 0.05, value + 0.05]}

        allowed = [{"context": context} | point(value) for context, value in bits.items()]
        places = [(1, 1), (2, 2), (3, 4), (5, 8)][: len(bits)]
        positions = [{"first": a, "last": b} | point(2.5 - b / 8) for a, b in places]
        return named(label) | {"reach": reach, "stretches": 300, "characters": 1500, "tokens": 400, "note": note,
                               "allowed": allowed, "positions": positions}  # fmt: skip

    def trusted(label: str, error: float) -> dict:
        bins = [{"confidence": p / 10, "accuracy": p / 10 - error, "low": p / 10 - error - 0.03,
                 "high": p / 10 - error + 0.03, "tokens": 200} for p in range(1, 10)]  # fmt: skip
        return named(label) | {"tokens": 1800, "vocabulary": 5000, "accuracy": 0.5 - error, "interval": [0.4, 0.5],
                               "among_five": 0.7, "mean_rank": 12.5, "confidence": 0.5, "error": abs(error),
                               "by_chance": 0.025, "bins": bins}  # fmt: skip

    return {
        "context": {"rows": [
            used("uniform", 0, {0: 2.46}),
            used("ngram order=5", 4, {0: 2.3, 1: 1.2, 2: 0.9, 4: 0.7}),
            used("pmi", 5, {0: 2.0, 1: 1.6, 2: 1.5, 4: 1.4, 5: 1.39}),
            used("lstm", None, {0: 2.3, 1: 1.3, 2: 0.9, 4: 0.7, 8: 0.6, 16: 0.55}),
            used("cache", None, {}, "It adapts."),
        ]},
        "calibration": {"rows": [trusted("uniform", 0.0), trusted("ngram order=5", 0.06), trusted("lstm", -0.05)]},
    }  # fmt: skip


def examination() -> dict:
    """What `lmzoo.comparison.knowledge.exam_facts` adds to a comparison: two phenomena, two models and the source."""

    def grade(task: str, value: float | None, chance: float) -> dict:
        interval = None if value is None else [max(0.0, value - 0.1), min(1.0, value + 0.1)]
        return {"task": task, "metric": "accuracy", "value": value, "interval": interval, "chance": chance,
                "items": 100, "training": 0, "kind": "exam", "protocol": "the likeliest", "note": ""}  # fmt: skip

    def grades(agreement: float | None, stars: float | None) -> list[dict]:
        return [grade("agreement", agreement, 0.5), grade("stars", stars, 0.25)]

    def about(name: str, candidates: list[str]) -> dict:
        return {"phenomenon": name, "group": "long", "about": f"What is asked of {name}.", "occurrences": 300.0,
                "items": 100, "words_back": 7.5,
                "characters_back": 31.0, "beginning": "The dogs that watch the cat", "candidates": candidates,
                "answer": 1}  # fmt: skip

    rows = [
        {"label": "uniform", "model": "uniform", "grades": grades(0.5, 0.25)},
        {"label": "ngram order=5", "model": "ngram", "grades": grades(0.9, None)},
    ]
    abouts = [about("agreement", [" sits", " sit"]), about("stars", ["one", "two", "three", "four"])]
    return {"exam": {"seed": 1, "about": abouts, "ceiling": grades(1.0, 0.75), "rows": rows}}


def arrivals(near: float | None = 4000) -> dict:
    """What is learned when: a 5-gram learns what is local at 1,000 tokens, an LSTM the rest at `near` and at 16,000."""

    def grade(tokens: int, half: float | None, items: int = 100) -> dict:
        accuracy = 0.5 if half is None or tokens < half else 0.75 if tokens == half else 1.0
        return {"accuracy": accuracy, "interval": list(wilson(accuracy * items, items)), "phenomena": [accuracy]}

    def curve(label: str, title: str, model: str, family: str, halves: list[float | None]) -> dict:
        points = [
            {"tokens": n, "bits_per_character": 1 + 250 / n, "grades": [grade(n, half) for half in halves]}
            for n in (500, 1000, 2000, 4000, 8000, 16000, 32000)
        ]
        return {"label": label, "title": title, "model": model, "family": family, "points": points}

    groups = [
        {"name": name, "phenomena": [f"{name} one"], "items": 100, "chance": 0.5, "ceiling": 1.0}
        for name in ("local", "near", "long")
    ]
    curves = [
        curve("5-gram, Kneser–Ney", "5-gram", "ngram", "count", [1000, None, None]),
        curve("LSTM, 96 cells", "LSTM", "lstm", "recurrent", [1000, near, 16000]),
    ]
    facts = {"test": "the grammar exam", "groups": groups, "curves": curves, "characters": 39_000, "source": 0.9}
    return {"arrival": facts}


def public_sets() -> dict:
    """What `lmzoo.comparison.knowledge.test_facts` adds: the same grades, as if public test sets had been asked."""
    rows = examination()["exam"]["rows"]
    rows[1]["grades"][1]["note"] = "it cannot say so"
    figure = {"task": "agreement", "rule": "sum", "who": "Somebody", "value": 70.7, "source": "A paper", "same": False,
              "why": "another text"}  # fmt: skip
    return {
        "probes": {"rows": rows, "beside": [rows[0] | {"label": "uniform, untrained"}], "overlap": [0.0123, None]},
        "zeroshot": {"rows": rows, "published": [figure], "overlap": [0.0123, None]},
        "rescoring": {"rows": rows},
    }


def others_figures() -> list[dict]:
    """What `lmzoo.comparison.published.beside` gives: two figures, one of them by our protocol, and a band."""
    figure = {"corpus": "mine", "system": "trigram", "value": 1.75, "unit": "bits per character", "family": "count",
              "year": 1992, "split": "all", "protocol": "as a stream", "adapts": False, "same": True, "why": "",
              "source": "A paper"}  # fmt: skip
    other = {"system": "big LSTM", "value": 1.2, "family": "recurrent", "year": 2016, "same": False, "why": "adapts"}
    people = {"system": "people", "family": "other", "year": 1951, "same": False, "why": "another text"}
    band = {key: value for key, value in figure.items() if key != "value"} | {"range": [0.6, 1.3]}
    return [band | people, figure, figure | other]
