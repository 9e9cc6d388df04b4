"""Multiple-choice questions: read from a task or a file, and graded.

A file is JSON lines, one question a line, in either of two published forms:

    {"question": {"stem": "…", "choices": [{"label": "A", "text": "…"}, …]}, "answerKey": "A"}
    {"query": "Question: …", "choices": ["…", …], "gold": 0}
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from lmzoo.data import task_cards
from lmzoo.data.reading import read_text
from lmzoo.errors import FormatError, UsageError
from lmzoo.evaluation.statistics import credit, wilson
from lmzoo.files import json_lines, parse_json
from lmzoo.interface import Progress
from lmzoo.tasks.result import TaskResult

TASKS = ("science", "arc")  # the tasks that consist of such questions


@dataclass(frozen=True)
class Question:
    """The stem, the options, and the index of the right one."""

    stem: str
    options: tuple[str, ...]
    answer: int


def load(
    name_or_path: str | os.PathLike[str], mirror: str | None = None, progress: Progress | None = None
) -> dict[str, list[Question]]:
    """The sets of questions of a task, or of the file at that path, by name: {"arc_easy.test": […], …}.

    Raises UsageError where there is neither, FormatError for a file with a mistake, DownloadError where it is offline.
    """
    name = os.fspath(name_or_path)
    if name in TASKS:
        return {stem: read(text, stem) for stem, text in task_cards.fetch(name, mirror, progress).items()}
    try:
        return {Path(name).stem: read(read_text(name, "questions")[0], name)}
    except FileNotFoundError:
        raise UsageError(
            f"no questions at {name!r}: give {' or '.join(TASKS)}, or a file of JSON lines, one question a line"
        ) from None


def read(text: str, where: str = "the text") -> list[Question]:
    """The questions in JSON lines; blank lines are skipped. `where` is what a FormatError calls the text."""
    return [_parse(line, place) for line, place in json_lines(text, where, "questions")]


def _parse(line: str, where: str) -> Question:
    fields = parse_json(line, dict[str, Any], where)
    if not {"question", "query"} & fields.keys():
        raise FormatError(f"{where} is no question: it needs question and answerKey, or query, choices and gold")
    try:
        stem, options, answer = _published_by_ai2(fields) if "question" in fields else _with_query(fields)
    except (KeyError, TypeError) as error:
        raise FormatError(f"{where} is not a complete question: {_missing(error)}") from None
    if not all(isinstance(text, str) for text in (stem, *options)):
        raise FormatError(f"{where}: what is asked and each choice must be text")
    if len(options) < 2:
        raise FormatError(f"{where} has {len(options)} choices: to choose, there must be 2 or more")
    if answer is None:
        raise FormatError(f"{where}: the right answer is none of the {len(options)} choices")
    return Question(stem, options, answer)


def _published_by_ai2(fields: dict[str, Any]) -> tuple[Any, tuple[Any, ...], int | None]:
    choices = fields["question"]["choices"]
    labels = [choice["label"] for choice in choices]
    right = labels.index(fields["answerKey"]) if labels.count(fields["answerKey"]) == 1 else None
    return fields["question"]["stem"], tuple(choice["text"] for choice in choices), right


def _with_query(fields: dict[str, Any]) -> tuple[Any, tuple[Any, ...], int | None]:
    gold, options, query = fields["gold"], fields["choices"], fields["query"]
    if not isinstance(options, list):
        raise TypeError("choices must be a list")
    known = type(gold) is int and 0 <= gold < len(options)
    stem = query.removeprefix("Question:").strip() if isinstance(query, str) else query
    return stem, tuple(options), gold if known else None


def _missing(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)


def grade(
    name: str, questions: Sequence[Question], scores: Sequence[Sequence[float]], known: Sequence[bool]
) -> TaskResult:
    """The accuracy on the question set `name` of the `scores` of each question's options.

    `known` says of which questions the solver knew anything. `details` has the number of the others ("unknown") and
    the accuracy without them ("accuracy_known"; None where nothing is left).
    """
    if not questions:
        raise UsageError("there is no question to grade")
    pairs = zip(questions, scores, strict=True)
    # A question whose options all score the same is worth 1 / (number of options): what a guess earns.
    credits_ = [float(credit(np.array(of_options), question.answer)) for question, of_options in pairs]
    of_known = [earned for earned, is_known in zip(credits_, known, strict=True) if is_known]
    return TaskResult(
        task=name,
        metric="accuracy",
        value=fmean(credits_),
        interval=wilson(math.fsum(credits_), len(questions)),
        chance=fmean(1 / len(question.options) for question in questions),
        items=len(questions),
        kind="multiple choice",
        details={
            "unknown": len(questions) - len(of_known),
            "accuracy_known": fmean(of_known) if of_known else None,
        },
    )
