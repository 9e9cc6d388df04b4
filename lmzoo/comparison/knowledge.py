"""What a comparison shows of type 2 evaluation: what its models know, beside how well they predict.

`exam` is the one of the built-in corpus, which needs no data but its grammar: a grade for each of its phenomena, of
every model and of the source that wrote the text. `Tests` are public test sets, asked where they are wanted:

    probes       what classifiers read off the features, with their floors and a classical baseline
    (`tasks/probing/probe.py`)
    zeroshot     what the model's probabilities answer without training (`tasks/zeroshot.py`)
    rescoring    which of the n best candidates of a noisy channel it takes (`tasks/rescoring.py`)

The share of a test set's 8-grams that stand in the corpus's training text is given for each of them; of n-best lists,
those of what was said. A run that was trained on another text has shares of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lmzoo.data import corpus as corpora
from lmzoo.data.corpus import Corpus
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import DownloadError, LmzooError, UsageError, nearest
from lmzoo.evaluation.statistics import Grade
from lmzoo.interface import LanguageModel, Progress, Run
from lmzoo.runs.cache import digest
from lmzoo.tasks import rescoring, targeted, zeroshot, zeroshot_items
from lmzoo.tasks.contamination import Overlaps, overlaps
from lmzoo.tasks.probing import datasets, probe
from lmzoo.tasks.probing.datasets import Examples
from lmzoo.tasks.zeroshot_items import Section

if TYPE_CHECKING:
    from lmzoo.comparison.compare import Contestant

EXAM_SEED = 1  # the same questions in every report
RESCORING = "rescoring"
Facts = dict[str, Any]


@dataclass
class Tests:
    """Test sets that were fetched and read."""

    probed: list[Examples] = field(default_factory=list)
    asked: list[Section] = field(default_factory=list)
    lists: int = 0  # n-best lists to make and rescore
    missing: list[str] = field(default_factory=list)  # what "all" could not get, and why


def names() -> list[str]:
    """All that `read_tests` takes beside "all"."""
    return list(dict.fromkeys([*datasets.names(), *zeroshot_items.names(), RESCORING]))


def read_tests(wanted: str, limit: int = 0, mirror: str | None = None, progress: Progress | None = None) -> Tests:
    """The tests of these names, with commas between them, or "all"; of each set at most `limit` items (0: all),
    and of n-best lists, which are made, never fewer than can be judged.

    A name that is both a probe's and a zero-shot task's (cola) is both. Raises UsageError for a name that is neither.
    """
    chosen = names() if wanted == "all" else [name.strip() for name in wanted.split(",")]
    for name in chosen:
        if name not in names():
            raise UsageError(f"no task {name!r}{nearest(name, names())}; there are: all, {', '.join(names())}")
    found = Tests()
    if RESCORING in chosen:
        found.lists = max(rescoring.FEWEST, min(limit or rescoring.LISTS, rescoring.LISTS))
    if set(chosen) & set(datasets.names()):
        probe.need_sklearn()
    for name in chosen:
        try:
            if name in datasets.names():
                sets = datasets.load(name, mirror, progress)
                found.probed += [examples.limited(limit) for examples in sets] if limit else sets
            if name in zeroshot_items.names():
                found.asked += zeroshot_items.load(name, mirror, limit, progress)
        except DownloadError as error:
            if wanted != "all":
                raise
            found.missing.append(f"{name} is left out: {error}")
    return found


def test_facts(scored: "Sequence[Contestant]", tests: Tests, corpus: Corpus, run: Run) -> Facts:
    """The grades of `scored` in `tests`: {"probes": …, "zeroshot": …, "rescoring": …}, as far as there are any.

    What cannot be done does not take the trained models with it: it is said under "untested".
    """
    ways: dict[str, Callable[[], Facts] | None] = {
        "probes": (lambda: _probed(scored, tests.probed, corpus, run.progress)) if tests.probed else None,
        "zeroshot": (lambda: _asked(scored, tests.asked, corpus, run.progress)) if tests.asked else None,
        "rescoring": (lambda: _rescored(scored, tests.lists, corpus, run)) if tests.lists else None,
    }
    found: Facts = {}
    untested = list(tests.missing)
    for kind, grade in ways.items():
        if grade is None or not scored:
            continue
        try:
            found[kind] = grade()
        except LmzooError as error:
            untested.append(f"{kind}: {error}")
    return found | ({"untested": untested} if untested else {})


def _probed(scored: "Sequence[Contestant]", sets: Sequence[Examples], corpus: Corpus, progress: Progress) -> Facts:
    """A row for each model and each baseline; `beside` has the rows of what is untrained or means nothing."""
    rows, beside = [], []
    with progress.task("probing models", len(scored) + 1) as task:
        of = {"sets": [examples.digest() for examples in sets]}
        for entry in scored:
            model, tokenizer = entry.reader
            read = partial(_readings, model, tokenizer, sets, progress)
            for kind, grades in entry.keep("probes", of, read).items():
                row = _row(entry, grades)
                if kind == probe.PROBE:
                    rows.append(row)
                else:
                    beside.append(row | {"label": f"{entry.label}, {kind}"})
            task.advance(1, entry.label)
        baselines = scored[0].kept.facts("baselines", of, lambda: _in_json(probe.baselines(sets, progress)))
        for kind, grades in baselines.items():
            rows.append({"label": kind, "model": "", "grades": grades})
        task.advance(1)
    known = Overlaps((examples.tested() for examples in sets), progress=progress)
    place = {examples.task: n for n, examples in enumerate(sets)}
    of_grades = _overlap(scored, rows, known, [place[grade["task"]] for grade in rows[0]["grades"]], corpus)
    return {"rows": rows, "beside": beside, "overlap": of_grades}


def _asked(scored: "Sequence[Contestant]", sections: Sequence[Section], corpus: Corpus, progress: Progress) -> Facts:
    """A row for each model, and others' figures with the task that each belongs to."""
    rows = []
    with progress.task("asking models", len(scored) * len(sections)) as task:
        for entry in scored:
            model, tokenizer = entry.reader
            asker, grades = zeroshot.Asker(model, tokenizer, progress), []
            for section in sections:
                ask = partial(_answers, section, asker)
                grades += entry.keep("zeroshot", {"section": digest(asdict(section))}, ask)
                task.advance(1, f"{entry.label}: {section.task}")
            rows.append(_row(entry, grades))
    known = Overlaps(([item.text for item in section.items] for section in sections), progress=progress)
    places = [n for n, section in enumerate(sections) for _ in section.protocol.rules]
    of_grades = _overlap(scored, rows, known, places, corpus)
    return {"rows": rows, "published": zeroshot.published(sections), "overlap": of_grades}


def _rescored(scored: "Sequence[Contestant]", lists: int, corpus: Corpus, run: Run) -> Facts:
    """A row for each model, and what the channel's first choices and the best candidates would get."""
    marked = rescoring.Marked.of(rescoring.make(corpus, lists, seed=run.seed, progress=run.progress))
    of = {"text": corpus.sha256, "lists": lists, "seed": run.seed}
    task = f"n-best, {corpus.name}"
    rows = []
    with run.progress.task("rescoring", len(scored)) as bar:
        for entry in scored:
            model, tokenizer = entry.reader
            choose = partial(_choices, model, tokenizer, marked, task, run.progress)
            rows.append(_row(entry, entry.keep("rescoring", of, choose)))
            bar.advance(1, entry.label)
    known = (("the channel's first choice", marked.first), ("the best candidate", marked.oracle))
    for label, errors in known:
        rows.append({"label": label, "model": "", "grades": [marked.grade(errors, task, label).to_json()]})
    said = Overlaps([[one.reference for one in marked.lists]], progress=run.progress)
    return {"rows": rows, "overlap": _overlap(scored, rows, said, [0], corpus)}


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


def _row(entry: "Contestant", grades: Sequence[Facts]) -> Facts:
    return {"label": entry.label, "model": entry.row["model"], "grades": list(grades)}


# What is kept of a model is plain JSON.


def _in_json(grades: dict[str, list[Grade]]) -> dict[str, list[Facts]]:
    return {kind: [one.to_json() for one in of_kind] for kind, of_kind in grades.items()}


def _readings(
    model: LanguageModel, tokenizer: Tokenizer, sets: Sequence[Examples], progress: Progress
) -> dict[str, list[Facts]]:
    return _in_json(probe.grade_model(model, tokenizer, sets, progress))


def _answers(section: Section, asker: zeroshot.Asker) -> list[Facts]:
    return [result.grade.to_json() for result in zeroshot.ask(section, asker)]


def _choices(
    model: LanguageModel, tokenizer: Tokenizer, marked: rescoring.Marked, task: str, bars: Progress
) -> list[Facts]:
    return [rescoring.rescore(model, tokenizer, marked, None, task, bars)[0].to_json()]


def _taken(
    model: LanguageModel, tokenizer: Tokenizer, questions: targeted.Questions, progress: Progress
) -> list[Facts]:
    return [grade.to_json() for grade in targeted.take(model, tokenizer, questions, progress)]


def exam_facts(scored: "Sequence[Contestant]", corpus: Corpus, run: Run) -> Facts:
    """{"exam": …} of a corpus that is drawn from a grammar, and nothing of any other."""
    grammar = corpora.grammar_of(corpus)
    if grammar is None or not scored:
        return {}
    rows = []
    with run.progress.task("examining", len(scored) + 1) as task:
        questions = targeted.questions(grammar, EXAM_SEED, corpus.train)
        ceiling = [grade.to_json() for grade in targeted.ceiling(questions, grammar)]
        task.advance(1, "the source")
        for entry in scored:
            model, tokenizer = entry.reader
            sit = partial(_taken, model, tokenizer, questions, run.progress)
            rows.append(_row(entry, entry.keep("exam", {"seed": EXAM_SEED, "text": corpus.sha256}, sit)))
            task.advance(1, entry.label)
    return {"exam": {"seed": EXAM_SEED, "about": targeted.facts(questions), "ceiling": ceiling, "rows": rows}}
