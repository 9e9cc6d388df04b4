"""What a comparison shows of type 2 evaluation: what its models know, beside how well they predict.

`exam` is the one of the built-in corpus, which needs no data but its grammar: a grade for each of its phenomena, of
every model and of the source that wrote the text. `tasks/suite.py` has the public test sets, asked where they are
wanted:

    probes       what classifiers read off the features, with their floors and a classical baseline
    (`tasks/probing/probe.py`)
    zeroshot     what the model's probabilities answer without training (`tasks/zeroshot.py`)
    rescoring    which of the n best candidates of a noisy channel it takes (`tasks/rescoring.py`)

The share of a test set's 8-grams that stand in the corpus's training text is given for each of them; of n-best lists,
those of what was said. A run that was trained on another text has shares of its own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lmzoo.data.corpus import Corpus
from lmzoo.errors import LmzooError
from lmzoo.interface import Progress, Run
from lmzoo.tasks.contamination import Overlaps, overlaps
from lmzoo.tasks.result import TaskResult
from lmzoo.tasks.suite import Exam, Probing, Suite, TaskGroup, ZeroShot

if TYPE_CHECKING:
    from lmzoo.comparison.compare import Contestant

Facts = dict[str, Any]


def test_facts(scored: "Sequence[Contestant]", suite: Suite, corpus: Corpus, run: Run) -> Facts:
    """The results of `scored` in `suite`: {"probes": …, "zeroshot": …, "rescoring": …}, as far as there are any.

    What cannot be done does not take the trained models with it: it is said under "untested".
    """
    found: Facts = {}
    untested = list(suite.missing)
    for group in suite.groups(corpus, run.seed, run.progress) if scored else ():
        if isinstance(group, Exam):
            continue
        try:
            found[group.kind] = _asked(scored, group, corpus, run.progress)
        except LmzooError as error:
            untested.append(f"{group.kind}: {error}")
    return found | ({"untested": untested} if untested else {})


def _asked(scored: "Sequence[Contestant]", group: TaskGroup, corpus: Corpus, progress: Progress) -> Facts:
    """A row for each model and each baseline; `beside` has those of controls (an untrained twin, shuffled labels)."""
    rows, beside = [], []
    with progress.task(group.kind, len(scored) + 1) as task:
        for entry in scored:
            for control, results in group.ask(entry.reader, entry.keep).items():
                row = _row(entry, results)
                if control:
                    beside.append(row | {"label": f"{entry.label}, {control}"})
                else:
                    rows.append(row)
            task.advance(1, entry.label)
        baselines = group.baselines(scored[0].kept.facts)
        rows += [{"label": name, "model": "", "grades": _in_json(results)} for name, results in baselines.items()]
        task.advance(1)
    known = Overlaps(group.test_texts(), progress=progress)
    found: Facts = {"rows": rows, "overlap": _overlap(scored, rows, known, group.set_of_result(), corpus)}
    found |= {"beside": beside} if isinstance(group, Probing) else {}
    return found | ({"published": group.published()} if isinstance(group, ZeroShot) else {})


def _overlap(
    scored: "Sequence[Contestant]", rows: Sequence[Facts], known: Overlaps, places: Sequence[int], corpus: Corpus
) -> list[float | None]:
    """For each grade the share of its test set that stands in the corpus. `places`: which of the sets it is about.

    The `rows` of runs that were trained on another text get the shares of that one, and notes that tell of it.
    """
    for entry, row in zip(scored, rows, strict=False):  # behind them are baselines
        provenance = entry.row.get("provenance")
        if provenance is None or (provenance.get("sha256") or {}).get("train") == corpus.sha256["train"]:
            continue
        own = known.of(provenance)
        row["overlap"] = [own[place] for place in places] if own else None
        note = _elsewhere(provenance.get("corpus") or "another text", own)
        for grade in row["grades"]:
            grade["note"] = "; ".join(filter(None, (grade["note"], note)))
    found = overlaps(known.sets, corpus.train)
    return [found[place] for place in places]


def _elsewhere(name: str, shares: Sequence[float | None] | None) -> str:
    """What the overlap is with the text that a run was trained on, where that is not the comparison's."""
    found = [share for share in shares or () if share is not None]
    if not found:
        return f"trained on {name}; how much of the tests stands there is not known"
    ends = dict.fromkeys(f"{share:.2%}" for share in (min(found), max(found)))
    return f"trained on {name}, where {' to '.join(ends)} of a test's 8-grams stand"


def _row(entry: "Contestant", results: Sequence[TaskResult]) -> Facts:
    return {"label": entry.label, "model": entry.row["model"], "grades": _in_json(results)}


def _in_json(results: Sequence[TaskResult]) -> list[Facts]:
    return [result.to_json() for result in results]


def exam_facts(scored: "Sequence[Contestant]", corpus: Corpus, run: Run) -> Facts:
    """{"exam": …} of a corpus that is drawn from a grammar, and nothing of any other."""
    exams = [group for group in Suite().groups(corpus, run.seed, run.progress) if isinstance(group, Exam)]
    if not exams or not scored:
        return {}
    (exam,), rows = exams, []
    with run.progress.task("examining", len(scored) + 1) as task:
        (ceiling,) = exam.baselines().values()
        task.advance(1, "the source")
        for entry in scored:
            rows.append(_row(entry, exam.ask(entry.reader, entry.keep)[""]))
            task.advance(1, entry.label)
    return {"exam": {"seed": exam.seed, "about": exam.about(), "ceiling": _in_json(ceiling), "rows": rows}}
