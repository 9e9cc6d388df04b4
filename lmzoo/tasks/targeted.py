"""The exam of the built-in corpus: what has a model learned of each phenomenon that storyworld's grammar has?

A question is a document of the grammar, cut off before a word that an earlier word decides, and two or four
candidates of which the source wrote one; that grammar is in `corpora/storyworld.grammar.toml`, and what is asked of it
in `tasks/phenomena.py`. A model chooses the candidate that it finds likeliest, together with the word or mark behind
it:
that is the same for all, and ends them for every tokenizer. Of k candidates that it finds equally likely it is
credited with 1/k. Right answers are balanced, so that to know which words are frequent is worth no more than guessing.

The source itself takes the exam too: log P of each candidate by the grammar, which is exact. On most phenomena it rules
out all candidates but one; where two are possible, it gets the most that can be had.

    questions = exam.questions(Grammar.load(path), seed=1, training=corpus.train)
    exam.take(text_model, questions)      a TaskResult for each phenomenon
    exam.ceiling(questions, grammar)            those of the source
"""

import math
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.grammar import Grammar
from lmzoo.data.grammar_file import END
from lmzoo.errors import ScoreError, TokenizerError, UsageError
from lmzoo.evaluation.likelihood import likelihoods
from lmzoo.evaluation.statistics import credit, interval
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Progress
from lmzoo.tasks.phenomena import PHENOMENA, Item, Page, Phenomenon, narrowed
from lmzoo.tasks.result import TaskResult

__all__ = ["Item", "ceiling", "credits_of", "facts", "questions", "take"]

ITEMS = 100  # of each phenomenon
PATIENCE = 100  # documents per item, after which a phenomenon is not to be found in a grammar
Questions = Mapping[str, Sequence[Item]]


def questions(
    grammar: Grammar, seed: int, training: str = "", items: int = ITEMS, progress: Progress | None = None
) -> dict[str, list[Item]]:
    """The exam: `items` questions of each phenomenon, by its name. The same seed gives the same exam.

    No document gives two questions to one phenomenon, and no question is asked whose text begins a document of
    `training`. Raises UsageError for a grammar that lacks what is asked about.
    """
    seen, made = sorted(Grammar.documents(training)), {}
    with (progress or Progress()).task("drawing questions", len(PHENOMENA)) as task:
        for phenomenon in PHENOMENA:
            name = phenomenon.name
            made[name] = _drawn(phenomenon, grammar, random.Random(f"{seed}/exam/{name}"), seen, items)
            task.advance(1)
    return made


def _drawn(
    phenomenon: Phenomenon, grammar: Grammar, source: random.Random, seen: Sequence[str], items: int
) -> list[Item]:
    """The questions about one phenomenon, as many of each class of answers."""
    writer = narrowed(grammar, phenomenon.kind, phenomenon.only)
    most, found, of_class = math.ceil(items / phenomenon.classes), [], dict[str, int]()
    for _ in range(items * PATIENCE):
        for item, name in phenomenon.find(Page(writer, writer.sample(source)), source):
            new = not any(_begins(item.beginning + continuation, seen) for continuation in item.continuations)
            if new and of_class.get(name, 0) < most:
                found.append(item)
                of_class[name] = of_class.get(name, 0) + 1
                break  # one of a document; the first, for short texts are scored soonest
        if len(found) == items:
            return found
    raise UsageError(f"{grammar.name} has too little of {phenomenon.name!r}: {len(found)} of {items} questions found")


def _begins(text: str, documents: Sequence[str]) -> bool:
    """Whether a document begins with `text`; they are sorted."""
    at = bisect_left(documents, text)
    return at < len(documents) and documents[at].startswith(text)


def take(text_model: TextModel, questions: Questions, progress: Progress | None = None) -> list[TaskResult]:
    """The model's grade in each phenomenon. A document is read as it stands in the corpus: behind a blank line.

    A model whose scores are no numbers somewhere, or whose tokenizer cannot write a question, gets grades without a
    value, and the reason in their notes.
    """
    every = [item for items in questions.values() for item in items]
    texts = [(END + item.beginning, text) for item in every for text in item.continuations]
    try:
        scores = iter([found.log_prob for found in likelihoods(text_model, texts, progress)])
    except (ScoreError, TokenizerError) as error:
        return [_grade(name, items, None, str(error)) for name, items in questions.items()]
    return [
        _grade(name, items, [np.array([next(scores) for _ in item.candidates]) for item in items])
        for name, items in questions.items()
    ]


def ceiling(questions: Questions, grammar: Grammar, prove: bool = False) -> list[TaskResult]:
    """The grades of the source itself, which no model can surpass but by luck.

    Where the grammar rules out all candidates but one, that is 1 and not computed, except with `prove` (which takes
    some milliseconds for each candidate).
    """
    certain = {phenomenon.name for phenomenon in PHENOMENA if phenomenon.certain}
    grades = []
    for name, items in questions.items():
        if name in certain and not prove:
            scores = [np.where(np.arange(len(item.candidates)) == item.answer, 0.0, -np.inf) for item in items]
        else:
            scores = [_source_scores(grammar, item) for item in items]
        grades.append(_grade(name, items, scores))
    return grades


def _source_scores(grammar: Grammar, item: Item) -> NDArray[np.float64]:
    """log2 P(a document begins so), exact; minus infinity where none does."""
    scores = []
    for continuation in item.continuations:
        found = grammar.derivations(item.beginning + continuation, prefix=True)
        scores.append(np.logaddexp2.reduce([one.log2_prob for one in found]))  # -inf where there is none
    return np.array(scores)


def _grade(
    name: str, items: Sequence[Item], scores: Sequence[NDArray[np.float64]] | None, note: str = ""
) -> TaskResult:
    share = None if scores is None else credits_of(items, scores)
    return TaskResult(
        task=name,
        metric="accuracy",
        value=None if share is None else float(share.mean()),
        interval=None if share is None else interval(np.mean, share),
        chance=float(np.mean([1 / len(item.candidates) for item in items])),
        items=len(items),
        kind="exam",
        protocol="the likeliest candidate, given the document before it",
        note=note,
    )


def credits_of(items: Sequence[Item], scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """For each item (N,) what its scores, one for each candidate, earn: 1/k where the right one is of the k best."""
    pairs = zip(items, scores, strict=True)
    return np.array([credit(of_candidates, item.answer) for item, of_candidates in pairs])


def facts(questions: Questions) -> list[dict[str, Any]]:
    """Of each phenomenon: what it is, how far back the word lies that decides (medians), and an example of it."""
    about = {phenomenon.name: phenomenon.about for phenomenon in PHENOMENA}
    return [
        {
            "phenomenon": name,
            "about": about[name],
            "items": len(items),
            "words_back": float(np.median([item.words_back for item in items])),
            "characters_back": float(np.median([item.back for item in items])),
            "beginning": items[0].beginning,
            "candidates": list(items[0].candidates),
            "answer": items[0].answer,
        }
        for name, items in questions.items()
    ]
