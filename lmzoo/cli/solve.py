"""`lmzoo solve`: multiple-choice questions answered by co-occurrence in a corpus (the PMI solver)."""

import string
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, show_json, show_rows, show_table
from lmzoo.cli.options import CorpusName, Count, Json, Mirror, Quiet
from lmzoo.errors import one_line

if TYPE_CHECKING:
    from lmzoo.tasks.multiple_choice import Question
    from lmzoo.tasks.pmi_solver import AnswerSheet

BEST_PAIRS = 5  # shown for an answer


@command("solve", epilog="Example: lmzoo solve --questions science --questions mine.jsonl --corpus wikitext2 --show 3")
def solve_questions(
    # science, arc, or a FILE of JSON lines; may be given more than once. [default: science]
    questions: list[str] | None = None,
    corpus: CorpusName = "wikitext2",
    window: int = 10,  # Co-occurrence window in words, 2 or more.
    unseen: str = "skip",  # Pairs that never co-occur: left out of the mean (skip), or counted as 0 (zero).
    function_words: bool = False,  # Count n-grams of function words alone (the, of the) too.
    show: Count = 0,  # Show so many questions of each set with the evidence for the answer, 0 or more.
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Answer multiple-choice questions by PMI.

    The answer is the option that co-occurs with the question in a training text.
    """
    from lmzoo.data import corpus as corpora
    from lmzoo.tasks import multiple_choice
    from lmzoo.tasks.pmi_solver import PmiSolver

    solver, bars = PmiSolver(window, unseen, function_words), Bars(quiet)
    sets = [one for name in questions or ["science"] for one in multiple_choice.load(name, mirror, bars).items()]
    source = corpora.load(corpus, mirror=mirror, progress=bars)
    asked = [question for _, of_set in sets for question in of_set]
    sheet = solver.solve(asked, source.train, bars)
    rows, shown, first = [], [], 0
    for name, of_set in sets:
        answers = sheet.answers[first : first + len(of_set)]
        result = multiple_choice.grade(name, of_set, [one.scores for one in answers], [one.known for one in answers])
        row = {"set": name, "questions": result.items, "chance": result.chance, "accuracy": result.value}
        rows.append({**row, "interval": result.interval, **result.details})
        shown += [_explained(asked, sheet, n, name) for n in range(first, first + min(show, len(of_set)))]
        first += len(of_set)
    facts = {"corpus": source.name, "sha256": source.sha256["train"], "words": sheet.words, **asdict(solver)}
    if as_json:
        return show_json({**facts, "sets": rows, **({"shown": shown} if show else {})})
    for fact in shown:
        _show_question(fact)
    columns = {
        "question set": "{set}",
        "questions": "{questions:,}",
        "chance": "{chance:.1%}",
        "accuracy": "{accuracy:.1%}",
        "95 % interval": "{interval:.1%}",
        "unknown": "{unknown:,}",
        "accuracy on the others": "{accuracy_known:.1%}",
    }
    show_rows(rows, columns, numbers_from=1)
    print(f"{sheet.words:,} words of {source.name}, window {window}, pairs that never co-occur: {unseen}")
    return None


def _explained(questions: "Sequence[Question]", sheet: "AnswerSheet", number: int, name: str) -> dict[str, Any]:
    """One question: its options with their scores, and the pairs with the highest PMI for each."""
    question, answer = questions[number], sheet.answers[number]
    options = [
        {
            "text": choice,
            "score": answer.scores[n],
            "pairs": answer.pairs[n],
            "best_pairs": [asdict(pair) for pair in sheet.evidence(number, n, BEST_PAIRS)],
        }
        for n, choice in enumerate(question.options)
    ]
    return {
        "set": name,
        "stem": question.stem,
        "options": options,
        "answers": list(answer.best),
        "right": question.answer,
        "known": answer.known,
    }


def _show_question(fact: dict[str, Any]) -> None:
    """The question, a row for each option, and the evidence for the answer."""
    print(f"{fact['set']}: {one_line(fact['stem'])}")
    rows = []
    for n, choice in enumerate(fact["options"]):
        mark = ("given" if fact["known"] and n in fact["answers"] else "") + (" right" if n == fact["right"] else "")
        words = f"{_letter(n)} {one_line(choice['text'])}"
        rows.append([words, mark.strip(), f"{choice['score']:.3f}", f"{choice['pairs']:,}"])
    show_table(("option", "", "score", "pairs"), rows, numbers_from=2)
    if not fact["known"]:
        print("the corpus has no evidence for this question: no pair of any option co-occurs\n")
        return
    for n in fact["answers"]:
        print(f"evidence for {_letter(n)}:")
        columns = {
            "pair": "{question} · {option}",
            "together": "{together:,}",
            "alone": "{occurrences[0]:,} · {occurrences[1]:,}",
            "PMI": "{pmi:.3f}",
        }
        show_rows(fact["options"][n]["best_pairs"], columns, numbers_from=1)


def _letter(number: int) -> str:
    return string.ascii_uppercase[number] if number < len(string.ascii_uppercase) else str(number + 1)
