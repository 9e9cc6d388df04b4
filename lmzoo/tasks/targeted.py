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
import re
from collections import Counter
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
from lmzoo.tasks.exam_documents import Document, Item, begins_one, marked
from lmzoo.tasks.phenomena import PHENOMENA
from lmzoo.tasks.result import TaskResult
from lmzoo.tasks.scoring import PSEUDO, continuation_scores, is_pseudo

ITEMS = 240  # of each phenomenon
SAMPLE = 3000  # documents in which occurrences are counted
MAX_DOCUMENTS = 100  # per item: a grammar that has no item in so many lacks the phenomenon
GROUP_OF = {one.name: one.group for one in PHENOMENA}
Questions = Mapping[str, Sequence[Item]]
Scores = NDArray[np.float64]


def questions(grammar: Grammar, seed: int, training: str = "", items: int = ITEMS) -> dict[str, list[Item]]:
    """The exam: `items` questions of each phenomenon, by its name. The same seed gives the same exam.

    No document gives two questions to one phenomenon, and no question begins a document of `training`. Raises
    UsageError for a grammar that lacks a phenomenon.
    """
    writer, source = marked(grammar), random.Random(f"{seed}/exam")
    _refuse_without(grammar)
    known, exam = sorted(Grammar.documents(training)), {one.name: list[Item]() for one in PHENOMENA}
    classes, wanted = Counter[tuple[str, str]](), {tag: one for one in PHENOMENA for tag in one.tags}
    for _ in range(items * MAX_DOCUMENTS):
        doc, asked = Document(writer, writer.sample(source)), set[str]()
        for mark in doc.marks:
            one = wanted.get(mark.tag)
            if one is None or one.name in asked or not (drawn := one.find(doc, mark, source)):
                continue
            item, of_class = drawn
            full = classes[one.name, of_class] >= math.ceil(items / one.classes)
            if not full and not any(begins_one(item.beginning + text, known) for text in item.continuations):
                classes[one.name, of_class] += 1
                exam[one.name].append(item)
                asked.add(one.name)  # one per document: the first, since short texts are scored fastest
                if len(exam[one.name]) == items:
                    wanted = {tag: other for tag, other in wanted.items() if other is not one}
        if not wanted:
            return exam
    rare = next(iter(wanted.values()))
    raise UsageError(
        f"{grammar.name} has too little of {rare.name!r}: {len(exam[rare.name])} of {items} questions found"
    )


def _refuse_without(grammar: Grammar) -> None:
    tags = {tag for options in grammar.rules.values() for _, text in options for tag in re.findall(r"#(\w+)", text)}
    if missing := [(tag, one.name) for one in PHENOMENA for tag in one.tags if tag not in tags]:
        raise UsageError(
            f"{grammar.name} has no slot tagged #{missing[0][0]} ({missing[0][1]}) to ask about: the exam is made for "
            "storyworld's own grammar"
        )


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
    """The source's own accuracy: 1, as the grammar rules out all candidates but one.

    Computed only with `prove`: some milliseconds for each candidate.
    """
    results = []
    for name, items in questions.items():
        if prove:
            scores = [_source_scores(grammar, item) for item in items]
        else:
            scores = [np.where(np.arange(len(item.candidates)) == item.answer, 0.0, -np.inf) for item in items]
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
        group=GROUP_OF.get(name, ""),
        protocol="the most likely candidate, given the document before it",
        note=note,
    )


def credits_of(items: Sequence[Item], scores: Sequence[Scores]) -> Scores:
    """What each item (N,) earns: 1/k where the right candidate is among k tied for the highest score, else 0."""
    return np.array([credit(of_item, item.answer) for item, of_item in zip(items, scores, strict=True)])


def about(questions: Questions, grammar: Grammar) -> list[dict[str, Any]]:
    """Each phenomenon: its group, how often it occurs, how far back the deciding word is, and an example.

    `occurrences` are those in 100,000 words of the grammar's text; distances are medians.
    """
    rates, described = occurrences(grammar), {phenomenon.name: phenomenon for phenomenon in PHENOMENA}
    return [
        {
            "phenomenon": name,
            "group": described[name].group,
            "about": described[name].about,
            "occurrences": sum(rates[tag] for tag in described[name].tags),
            "items": len(items),
            "words_back": float(np.median([item.words_back for item in items])),
            "characters_back": float(np.median([item.back for item in items])),
            "beginning": items[0].beginning,
            "candidates": list(items[0].candidates),
            "answer": items[0].answer,
        }
        for name, items in questions.items()
    ]


def occurrences(grammar: Grammar, documents: int = SAMPLE) -> dict[str, float]:
    """How often each tag occurs in 100,000 words of the grammar's text, estimated from a sample of documents."""
    source, tags, words = random.Random(f"{grammar.name}/occurrences"), Counter[str](), 0
    for written in (grammar.sample(source) for _ in range(documents)):
        tags.update(tag for tag, _, _ in written.spans)
        words += len(written.text.split())
    return {tag: count * 100_000 / words for tag, count in tags.items()}
