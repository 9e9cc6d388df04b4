"""What a comparison shows of type 2 evaluation: what its models know, beside how well they predict.

`exam` is the one of the built-in corpus, which needs no data but its grammar: a grade for each of its phenomena, of
every model and of the source that wrote the text.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lmzoo import corpus as corpora
from lmzoo import exam
from lmzoo.corpus import Corpus
from lmzoo.interface import Run

if TYPE_CHECKING:
    from lmzoo.compare import Contestant

EXAM_SEED = 1  # the same questions in every report


def exam_facts(scored: "Sequence[Contestant]", corpus: Corpus, run: Run) -> dict[str, Any]:
    """{"exam": …} of a corpus that is drawn from a grammar, and nothing of any other."""
    grammar = corpora.grammar_of(corpus)
    if grammar is None or not scored:
        return {}
    rows = []
    with run.progress.task("examining", len(scored) + 1) as task:
        questions = exam.questions(grammar, EXAM_SEED, corpus.train)
        ceiling = [grade.to_json() for grade in exam.ceiling(questions, grammar)]
        task.advance(1, "the source")
        for entry in scored:
            assert entry.model and entry.tokenizer
            grades = [grade.to_json() for grade in exam.take(entry.model, entry.tokenizer, questions, run.progress)]
            rows.append({"label": entry.label, "model": entry.row["model"], "grades": grades})
            task.advance(1, entry.label)
    return {"exam": {"seed": EXAM_SEED, "about": exam.facts(questions), "ceiling": ceiling, "rows": rows}}
