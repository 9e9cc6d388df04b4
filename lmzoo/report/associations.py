"""What the sections on word associations share: which models they are, and their word vectors."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from lmzoo.analysis.word_similarity import judge
from lmzoo.analysis.word_vectors import Vectors
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, scored
from lmzoo.errors import UsageError
from lmzoo.runs.cache import digest

# An association is what has the abilities of `embeddings.predictor.Association`, of the zoo or not.
ABILITIES = ("vectors", "scores", "counts_", "exponent_", "lambdas_", "window")


def associations(entries: Sequence[Entry]) -> list[Entry]:
    """The scored associations among `entries`."""
    return [entry for entry in scored(entries) if all(hasattr(entry.model, ability) for ability in ABILITIES)]


def word_models(entries: Sequence[Entry]) -> list[tuple[Entry, Vectors]]:
    """The associations among `entries` that have words, with the vectors of these."""
    able = []
    for entry in associations(entries):
        with suppress(UsageError):  # no words, or none that occurs often enough: it predicts all the same
            able.append((entry, Vectors.of(entry.text_model)))
    return able


def key(entries: Sequence[Entry], context: Context) -> dict[str, Any]:
    """The cache's key of what is computed of all associations together."""
    tests: Mapping[str, str] = context.word_tests or {}
    return {
        "models": [[entry.label, entry.identity] for entry in associations(entries)],
        "text": context.corpus.sha256,
        "seed": context.run.seed,
        "words": {name: digest(contents) for name, contents in tests.items()},
    }


# How each set of judgments is called; the first three are the ones that are most often reported.
JUDGMENTS = {
    "EN-WS-353-ALL": "WordSim-353",
    "EN-SIMLEX-999": "SimLex-999",
    "EN-MEN-TR-3k": "MEN",
    "EN-WS-353-SIM": "WordSim-353 similar",
    "EN-WS-353-REL": "WordSim-353 related",
    "EN-RG-65": "RG-65",
    "EN-MC-30": "MC-30",
    "EN-MTurk-771": "MTurk-771",
    "EN-RW-STANFORD": "Rare Words",
    "EN-SimVerb-3500": "SimVerb-3500",
}


def judged(vectors: Vectors, tests: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The agreement of `vectors` with each set of human judgments among `tests`."""
    return {name: judge(vectors, tests[file]) for file, name in JUDGMENTS.items() if file in tests}


def agreement(judgments: Mapping[str, Mapping[str, Any]]) -> float:
    """The mean rank correlation with human judgments, each set weighted by its pairs; 0 where there is none."""
    known = [(one["spearman"], one["pairs"]) for one in judgments.values() if one["spearman"] is not None]
    values, weights = np.array(known).reshape(-1, 2).T
    return float(np.average(values, weights=weights)) if known else 0.0
