"""The exam of the built-in corpus: targeted evaluation of the phenomena in storyworld's grammar.

A question is a document of the grammar, cut off before a word that an earlier word decides, with two or four candidates
of which the source wrote one; `tasks/phenomena.py` says which. A model chooses the candidate with the highest log P
together with the word or punctuation behind it. Right answers are balanced, so word frequencies are worth no more than
guessing. The source takes the exam too: its exact log P of each candidate is the ceiling.

    questions = targeted.questions(Grammar.load(path), seed=1, training=corpus.train)
    targeted.ask(text_model, questions)         a TaskResult for each phenomenon
    targeted.ceiling(questions, grammar)        those of the source
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
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation.statistics import credit, interval
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Progress
from lmzoo.tasks.exam_documents import Document, Item, narrowed
from lmzoo.tasks.phenomena import PHENOMENA, Phenomenon
from lmzoo.tasks.result import TaskResult
from lmzoo.tasks.scoring import PSEUDO, continuation_scores, is_pseudo

ITEMS = 100  # of each phenomenon
MAX_DOCUMENTS = 100  # per item: a grammar that has no item in so many lacks the phenomenon
Questions = Mapping[str, Sequence[Item]]
Scores = NDArray[np.float64]


def questions(grammar: Grammar, seed: int, training: str = "", items: int = ITEMS) -> dict[str, list[Item]]:
    """The exam: `items` questions of each phenomenon, by its name. The same seed gives the same exam.

    No document gives two questions to one phenomenon, and no question begins a document of `training`. Raises
    UsageError for a grammar that lacks a phenomenon.
    """
    training_documents, exam = sorted(Grammar.documents(training)), {}
    for phenomenon in PHENOMENA:
        source = random.Random(f"{seed}/exam/{phenomenon.name}")
        exam[phenomenon.name] = _draw(phenomenon, grammar, source, training_documents, items)
    return exam


def _draw(
    phenomenon: Phenomenon, grammar: Grammar, source: random.Random, training: Sequence[str], items: int
) -> list[Item]:
    """The questions about one phenomenon, as many of each class of answers."""
    writer = narrowed(grammar, phenomenon.kind, phenomenon.only)
    most, drawn, of_class = math.ceil(items / phenomenon.classes), [], dict[str, int]()
    for _ in range(items * MAX_DOCUMENTS):
        for item, name in phenomenon.find(Document(writer, writer.sample(source)), source):
            known = any(_begins_one(item.beginning + text, training) for text in item.continuations)
            if not known and of_class.get(name, 0) < most:
                drawn.append(item)
                of_class[name] = of_class.get(name, 0) + 1
                break  # one per document: the first, since short texts are scored fastest
        if len(drawn) == items:
            return drawn
    raise UsageError(f"{grammar.name} has too little of {phenomenon.name!r}: {len(drawn)} of {items} questions found")


def _begins_one(text: str, documents: Sequence[str]) -> bool:
    """Whether one of the sorted documents begins with `text`."""
    at = bisect_left(documents, text)
    return at < len(documents) and documents[at].startswith(text)


def ask(text_model: TextModel, questions: Questions, progress: Progress | None = None) -> list[TaskResult]:
    """The model's accuracy on each phenomenon.

    A model that can neither predict nor fill in words, has scores that are not finite, or whose tokenizer cannot encode
    a question has results without a value, and notes that say so.
    """
    every = [item for items in questions.values() for item in items]
    # A document is read as it stands in the corpus: after a blank line.
    texts = [(END + item.beginning, text) for item in every for text in item.continuations]
    try:
        scores = iter([score.log_prob for score in continuation_scores(text_model, texts, progress)])
    except (ScoreError, UsageError) as error:
        return [_result(name, items, None, str(error)) for name, items in questions.items()]
    note = PSEUDO if is_pseudo(text_model) else ""
    return [
        _result(name, items, [np.array([next(scores) for _ in item.candidates]) for item in items], note)
        for name, items in questions.items()
    ]


def ceiling(questions: Questions, grammar: Grammar, prove: bool = False) -> list[TaskResult]:
    """The source's own accuracy, the best that any model can expect.

    Where the grammar rules out all candidates but one it is 1, and computed only with `prove`: some milliseconds for
    each candidate.
    """
    certain = {phenomenon.name for phenomenon in PHENOMENA if phenomenon.certain}
    results = []
    for name, items in questions.items():
        if name in certain and not prove:
            scores = [np.where(np.arange(len(item.candidates)) == item.answer, 0.0, -np.inf) for item in items]
        else:
            scores = [_source_scores(grammar, item) for item in items]
        results.append(_result(name, items, scores))
    return results


def _source_scores(grammar: Grammar, item: Item) -> Scores:
    """log2 P(a document begins so) for each candidate, exact; −inf where none does."""
    scores = []
    for continuation in item.continuations:
        derivations = grammar.derivations(item.beginning + continuation, prefix=True)
        scores.append(np.logaddexp2.reduce([derivation.log2_prob for derivation in derivations]))  # of none, -inf
    return np.array(scores)


def _result(name: str, items: Sequence[Item], scores: Sequence[Scores] | None, note: str = "") -> TaskResult:
    earned = None if scores is None else credits_of(items, scores)
    return TaskResult(
        task=name,
        metric="accuracy",
        value=None if earned is None else float(earned.mean()),
        interval=None if earned is None else interval(np.mean, earned),
        chance=float(np.mean([1 / len(item.candidates) for item in items])),
        items=len(items),
        kind="exam",
        protocol="the most likely candidate, given the document before it",
        note=note,
    )


def credits_of(items: Sequence[Item], scores: Sequence[Scores]) -> Scores:
    """What each item (N,) earns: 1/k where the right candidate is among k tied for the highest score, else 0."""
    return np.array([credit(of_item, item.answer) for item, of_item in zip(items, scores, strict=True)])


def about(questions: Questions) -> list[dict[str, Any]]:
    """Each phenomenon: what it is, how far back the deciding word is (medians), and an example."""
    descriptions = {phenomenon.name: phenomenon.about for phenomenon in PHENOMENA}
    return [
        {
            "phenomenon": name,
            "about": descriptions[name],
            "items": len(items),
            "words_back": float(np.median([item.words_back for item in items])),
            "characters_back": float(np.median([item.back for item in items])),
            "beginning": items[0].beginning,
            "candidates": list(items[0].candidates),
            "answer": items[0].answer,
        }
        for name, items in questions.items()
    ]
