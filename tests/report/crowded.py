"""A comparison as crowded as the default one: fifteen models under the labels that they have, compressors, an exam."""

import math

import numpy as np

from tests.comparisons import arrivals, comparison, row

# label, model, family, year, bits per character, recipe, seconds, size
MODELS = [
    ("uniform", "uniform", "baseline", 1928, 3.61, "period", 0.001, 1),
    ("unigram", "ngram", "count", 1948, 2.51, "period", 0.01, 1_500),
    ("modified Kneser–Ney, bigram", "ngram", "count", 1998, 1.63, "period", 0.03, 27_000),
    ("modified Kneser–Ney, 3-gram", "ngram", "count", 1998, 1.38, "period", 0.05, 118_000),
    ("class 3-gram, 200 classes", "classes", "count", 1992, 1.46, "period", 0.12, 10_000),
    ("Kneser–Ney, 5-gram", "ngram", "count", 1995, 1.302, "period", 0.1, 540_000),
    ("modified Kneser–Ney, 5-gram", "ngram", "count", 1998, 1.305, "period", 0.11, 540_000),
    ("PMI, window 5", "pmi", "association", 1990, 2.04, "period", 0.8, 216_000),
    ("SVD of PPMI, 100 dimensions", "svd", "association", 2015, 2.27, "period", 1.0, 371_000),
    ("GloVe", "glove", "association", 2014, 2.09, "period", 1.4, 376_000),
    ("skip-gram, 100 dimensions", "word2vec", "association", 2013, 2.1, "period", 5.0, 371_000),
    ("MLP, 5-token context", "mlp", "feedforward", 2003, 1.27, "today", 10.0, 545_000),
    ("Elman network, 128 units", "rnn", "recurrent", 1990, 1.21, "today", 10.0, 378_000),
    ("LSTM, 200 cells, sgd", "lstm", "recurrent", 1997, 1.24, "period", 10.0, 410_000),
    ("LSTM, 96 cells", "lstm", "recurrent", 1997, 1.15, "today", 10.0, 352_000),
    ("Speedrun transformer, 2 layers", "speedrun", "transformer", 2024, 1.16, "today", 10.0, 330_000),
]
GROUPS = {
    "local": ["agreement, next word", "article and noun"],
    "near": ["agreement over an adjective phrase", "it or they", "he or she, near"],
    "associative": ["topic", "where an animal lives", "a tool for the job", "what an animal eats"],
    "long": [
        "agreement over an object relative", "agreement over a subject relative", "he or she, another between",
        "a name again", "where a thing is", "stars", "closing quotation",
    ],
}  # fmt: skip
LABELS = [one[0] for one in MODELS]


def crowded(**changes: object) -> dict:
    """All sections that are drawn, of fifteen models and the same LSTM as trained in its year."""
    rows = [
        row(label, bits, model=model, family=family, year=year, recipe=recipe, train_seconds=seconds,
            size={"count": size, "unit": "parameters", "bytes": size * 4})
        for label, model, family, year, bits, recipe, seconds, size in MODELS
    ]  # fmt: skip
    references = [
        {"label": name, "given_train": True, "note": "", "bits": bits * 2e5, "bits_per_character": bits}
        for name, bits in (("gzip", 2.61), ("bz2", 1.62), ("xz", 1.87), ("PPMd", 1.55))
    ]
    made: dict = {
        "rows": rows, "references": references, "exam": exam(), "probes": {"rows": exam()["rows"]},
        "orders": [
            {"order": order, "smoothing": smoothing, "bits_per_character": 1.3 + n / 30 + 1.2 / order**2}
            for n, smoothing in enumerate(
                ("modified-kneser-ney", "kneser-ney", "witten-bell", "jelinek-mercer", "katz", "stupid-backoff")
            )
            for order in range(1, 9)
        ],
        "context": {"rows": [_used(label, n) for n, label in enumerate(LABELS)]},
        "calibration": {"rows": [_trusted(label, n) for n, label in enumerate(LABELS)]},
        "curves": {"rows": [_learned(label, n) for n, label in enumerate(LABELS)]},
        "distances": [
            {"label": label, "model": "pmi", "exponent": 1.2, "lambdas": [1 / (d + n / 9) for d in range(1, 6)],
             "bits_per_token": 6.0, "unigram_bits_per_token": 8.25}
            for n, label in enumerate(LABELS[7:11])
        ],
        "map": _map(), **_arrived(),
        "factorised": [
            {"label": "skip-gram, 100 dimensions", "model": "word2vec", "window": 5, "weights": "linear",
             "negative": 5.0, "pairs": 20_000, "pearson": 0.91, "spearman": 0.89, "median_gap": -0.25,
             "hexagons": {"width": 0.5, "cells": [[x / 2, x / 2.5, 1 + 300 * (x == 0)] for x in range(-8, 9)]}}
        ],
    }  # fmt: skip
    return comparison(**made) | changes


def exam() -> dict:
    """Sixteen phenomena in four groups; the later an idea, the more groups it knows."""

    def grades(knows: float) -> list[dict]:
        return [
            _grade(task, group, 0.5 + max(0.0, min(1.0, knows - n)) / 2)
            for n, (group, tasks) in enumerate(GROUPS.items())
            for task in tasks
        ]

    about = [
        {"phenomenon": task, "about": f"What is asked of {task}.", "items": 1000, "words_back": 3.0,
         "characters_back": 12.0, "beginning": "The dogs", "candidates": [" sits", " sit"], "answer": 1}
        for tasks in GROUPS.values()
        for task in tasks
    ]  # fmt: skip
    rows = [
        {"label": label, "model": MODELS[n][1], "grades": grades(4 * n / len(LABELS))} for n, label in enumerate(LABELS)
    ]
    return {"seed": 1, "about": about, "ceiling": grades(4), "rows": rows}


def _grade(task: str, group: str, value: float) -> dict:
    return {"task": task, "group": group, "metric": "accuracy", "value": value, "chance": 0.5, "items": 1000,
            "interval": [max(0.0, value - 0.03), min(1.0, value + 0.03)], "training": 0, "kind": "exam",
            "protocol": "the likeliest", "note": ""}  # fmt: skip


def _used(label: str, n: int) -> dict:
    def points(key: str, tokens: list[int]) -> list[dict]:
        return [
            {key: t, "bits_per_character": 1.2 + n / 20 + 1.2 / (1 + t), "interval": None}
            | ({"first": t} if key == "last" else {})
            for t in tokens
        ]

    return {"label": label, "model": "m", "reach": None, "stretches": 300, "characters": 1500, "tokens": 400,
            "note": "", "allowed": points("context", [0, 1, 2, 4, 8, 16, 32, 64]),
            "positions": points("last", [1, 2, 4, 8, 16])}  # fmt: skip


def _trusted(label: str, n: int) -> dict:
    bins = [{"confidence": p / 10, "accuracy": (p / 10) ** (1 + n / 20), "low": p / 12, "high": p / 10,
             "tokens": 200} for p in range(1, 10)]  # fmt: skip
    return {"label": label, "model": "m", "tokens": 1800, "vocabulary": 5000, "accuracy": 0.5, "interval": [0.4, 0.5],
            "among_five": 0.7, "mean_rank": 12.5, "confidence": 0.5, "error": n / 100, "by_chance": 0.025,
            "bins": bins}  # fmt: skip


def _learned(label: str, n: int) -> dict:
    points = [
        {"share": 2.0**-k, "characters": 2_000_000 >> k, "tokens": 500_000 >> k, "seconds": 1.0, "error": None,
         "bits_per_character": 1.2 + n / 25 + 0.2 * 1.3**k, "remarks": []}
        for k in range(7)
    ]  # fmt: skip
    return {"label": label, "model": "m", "points": points, "fit": None}


def _map() -> dict:
    generator = np.random.default_rng(1)
    ten = ("doctor", "baker", "teacher", "library", "because", "with", "sang", "beautiful", "they", "clockmaker")
    words = [f"{word}{n}" for n in range(4) for word in ten]
    centres = [(math.cos(n), math.sin(n)) for n in range(len(words) // 5)]
    points = [(np.array(centres[n // 5]) + 0.08 * generator.standard_normal(2)).tolist() for n in range(len(words))]
    return {"label": "skip-gram, 100 dimensions", "model": "word2vec", "method": "pca", "variance": [0.2, 0.1],
            "words": words, "points": points}  # fmt: skip


def _arrived() -> dict:
    """Five groups, two n-grams and two networks, which end as close to one another as they do."""
    made = arrivals()["arrival"]
    made["groups"].insert(2, made["groups"][1] | {"name": "associative"})
    made["groups"].append(made["groups"][1] | {"name": "probes"})
    for one in made["curves"]:
        for point in one["points"]:
            point["grades"].insert(2, point["grades"][1])
            point["grades"].append(None if one["model"] == "ngram" else point["grades"][1])
    counts, network = made["curves"]
    made["curves"] = [counts | {"title": "bigram"}, counts, network, network | {"title": "Speedrun transformer"}]
    return {"arrival": made}
