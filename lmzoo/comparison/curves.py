"""Learning curves: what a model makes of a 64th, a 32nd … of the training text, and of all of it.

    curve = [curves.point("ngram:order=5", share, text, run) for share in curves.SHARES]
    curves.row("ngram order 5", "ngram", curve, source)    # with the law that the points obey

A share is the first part of the training text, cut as `first_share` says. All else stays as it is at the full text:

- The tokenizer is that of the whole comparison, learned from all of the training text. The same test text is then cut
  into the same tokens at every share, so that a curve shows what the model learned and not how its units changed; a
  model of a small share knows which tokens there are, but not how often they come.
- The validation and test texts are the same. What a model chooses by the validation text (weights of its smoothing,
  when to stop) it chooses as well from a small share as from a large one.
- The budget is the same. A model that trains by steps sees a small text many times over and begins to learn it by
  heart; of the ten looks that it takes at the validation text it keeps the weights of the best, so its point is what it
  knew before that. Its remarks tell when that was. At the larger shares it may not get through the text at all: its
  curve then flattens because the budget ends, not because the text says nothing new.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lmzoo.analysis.scaling_law import power_law
from lmzoo.errors import LmzooError, UsageError
from lmzoo.evaluation.perplexity import Score, evaluate
from lmzoo.interface import Run
from lmzoo.runs import train

SHARES = tuple(1 / 2**n for n in range(6, -1, -1))  # of the training text: 1/64 … 1
BOUNDARIES = ("\n\n", "\n", " ")  # of documents or paragraphs, of lines, of words
TOLERANCE = 0.1  # of a share, that may be lost to end it at such a boundary


def first_share(text: str, share: float) -> str:
    """The first `share` of the characters of `text`, ended where a document, else a line, else a word ends.

    That is the last empty line (line end, space) among them, if it leaves at least nine tenths; where there is none,
    the text is cut in the middle of a word. The first part and not a sample of lines, because a text has an order
    that models learn from, and because every share is then part of the next larger one. Raises UsageError where
    nothing is left.
    """
    if not 0 < share <= 1:
        raise UsageError(f"a share of the training text lies above 0 and at most at 1; {share} does not")
    end = int(share * len(text))
    if end == len(text):
        return text
    if end == 0:
        raise UsageError(f"1/{1 / share:.0f} of a training text of {len(text)} characters is less than one")
    for boundary in BOUNDARIES:
        found = text.rfind(boundary, 0, end) + len(boundary)
        if found > max((1 - TOLERANCE) * end, len(boundary)):
            return text[:found]
    return text[:end]


def point(words: str, share: float, text: train.Text, run: Run) -> dict[str, Any]:
    """What the contestant `words` ("ngram:order=5") scores on the test text, having learned from `share` of `text`.

    Returns share, the characters and tokens it learned from, bits_per_character of the test text (None where it
    failed), training seconds, remarks of the model, and the error in words, else None. Nothing is kept on disk, and
    no checkpoint is gone on from.
    """
    made = _blank(share)
    try:
        part = _part(text, share)
        made |= {"characters": len(part.corpus.train), "tokens": len(part.train)}
        name, given = train.parse(words)
        fitted = train.fit(name, given, part, replace(run, folder=None, resume=False, tensorboard=None))
        made |= {"seconds": fitted.seconds, "remarks": list(fitted.model.remarks)}
        score = evaluate(fitted.text_model, text.corpus.test, text.corpus.protocol)
        made["bits_per_character"] = score.bits_per_character
    except LmzooError as error:
        made["error"] = str(error)
    except Exception as error:  # a file of somebody's own may fail in any way: that is its point's result
        made["error"] = f"{type(error).__name__}: {error}"
    return made


def whole(text: train.Text, score: Score, seconds: float | None, remarks: Sequence[str]) -> dict[str, Any]:
    """The point at all of `text`, of a model that has already learned from it and been scored."""
    return _blank(1.0) | {
        "characters": len(text.corpus.train),
        "tokens": len(text.train),
        "bits_per_character": score.bits_per_character,
        "seconds": seconds,
        "remarks": list(remarks),
    }


def _blank(share: float) -> dict[str, Any]:
    nothing = dict.fromkeys(("characters", "tokens", "bits_per_character", "seconds", "error"))
    return {"share": share, **nothing, "remarks": []}


def row(label: str, model: str, points: Sequence[dict[str, Any]], source: float | None = None) -> dict[str, Any]:
    """The curve of one contestant: its points, and the law through those that have a score (None: there is none).

    `source` is the true source's bits per character of the test text, where they are known.
    """
    scored = [one for one in points if one["bits_per_character"] is not None]
    characters = [one["characters"] for one in scored]
    fit = power_law(characters, [one["bits_per_character"] for one in scored], source)
    return {"label": label, "model": model, "points": list(points), "fit": fit}


def _part(text: train.Text, share: float) -> train.Text:
    shorter = first_share(text.corpus.train, share)
    if shorter == text.corpus.train:
        return text
    sha256 = text.corpus.sha256 | {"train": hashlib.sha256(shorter.encode("utf-8", "surrogatepass")).hexdigest()}
    corpus = replace(text.corpus, train=shorter, sha256=sha256)
    return replace(text, corpus=corpus, train=text.tokenizer.encode(shorter), refit=False)
