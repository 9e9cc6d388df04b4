"""All tasks behind one interface: probing, zero-shot tasks, n-best rescoring and the grammar exam.

suite = read("sst2,blimp,rescoring", limit=1000)    test sets, by name
group = Probing(suite.probes)                       or another kind of task
group.ask(text_model)                               {"": the model's results, "untrained": those of a control}
group.baselines()                                   {"majority class": the results of a baseline}
group.test_texts()                                  what contamination is measured on
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar

from lmzoo.data.corpus import Corpus
from lmzoo.data.grammar import Grammar
from lmzoo.errors import DownloadError, UsageError, nearest
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Progress
from lmzoo.tasks import nbest, rescoring, targeted, zeroshot, zeroshot_items
from lmzoo.tasks.probing import baselines, datasets, probe
from lmzoo.tasks.probing.datasets import ProbeSet
from lmzoo.tasks.result import TaskResult
from lmzoo.tasks.zeroshot_items import ZeroShotSet

EXAM_SEED = 2  # the same questions in every report; that of the edition
RESCORING = "rescoring"  # as a name of a task

Results = dict[str, list[TaskResult]]  # by whose they are: "" is the model itself, another key a control of it
# Computes JSON once and keeps it: (kind of results, what they depend on beside the model, the work itself) → its JSON.
Keep = Callable[[str, Mapping[str, Any], Callable[[], Any]], Any]


def _at_once(_kind: str, _of: Mapping[str, Any], work: Callable[[], Any]) -> Any:
    return work()


class TaskGroup(ABC):
    """Test sets of one kind. Every model has as many results, in the same order; what it cannot do has no value."""

    kind: ClassVar[str]  # its key in results.json

    @abstractmethod
    def ask(self, text_model: TextModel, keep: Keep = _at_once) -> Results:
        """The results of a model, under "", and those of its controls: an untrained twin, shuffled labels."""

    def baselines(self, keep: Keep = _at_once) -> Results:  # noqa: ARG002
        """The results of baselines and ceilings, by name: the majority class, the source of the text."""
        return {}

    def test_texts(self) -> list[list[str]]:
        """The texts of each test set; none where no training text can contain them."""
        return []

    def set_of_result(self) -> list[int]:
        """For each result of a model, which of `test_texts` it is about."""
        return []


@dataclass
class Probing(TaskGroup):
    """Classifiers on frozen features."""

    kind = "probes"
    sets: Sequence[ProbeSet]
    progress: Progress = field(default_factory=Progress)

    def ask(self, text_model: TextModel, keep: Keep = _at_once) -> Results:
        """The probe's results, and those on an untrained twin and on shuffled labels."""
        work = partial(probe.probe_model, text_model, self.sets, self.progress)
        rows = _cached_rows(keep, self.kind, self._of(), work)
        return {"" if row == probe.PROBE else row: results for row, results in rows.items()}

    def baselines(self, keep: Keep = _at_once) -> Results:
        """The majority class, and TF-IDF (of words: each word's most frequent tag)."""
        return _cached_rows(keep, "baselines", self._of(), lambda: baselines.baselines(self.sets, self.progress))

    def test_texts(self) -> list[list[str]]:
        """The tested texts of each set; none of one that was written so that the training text does not have them."""
        if all(examples.generated for examples in self.sets):
            return []
        return [[] if examples.generated else list(examples.test_texts()) for examples in self.sets]

    def set_of_result(self) -> list[int]:
        """A set has a result for each of its metrics."""
        return [n for n, examples in enumerate(self.sets) for _ in probe.metrics(examples)]

    def _of(self) -> dict[str, Any]:
        return {"sets": [examples.digest() for examples in self.sets]}


@dataclass
class ZeroShot(TaskGroup):
    """Texts ranked by their probability, without training."""

    kind = "zeroshot"
    sets: Sequence[ZeroShotSet]
    progress: Progress = field(default_factory=Progress)

    def ask(self, text_model: TextModel, keep: Keep = _at_once) -> Results:
        """A result for each scoring rule of each set."""
        asker = zeroshot.Asker(text_model, self.progress)
        results: list[TaskResult] = []
        for test_set, key in zip(self.sets, self._digests, strict=True):
            # Each set by itself, so that another choice of sets asks for the new ones only.
            results += _cached(keep, self.kind, {"test_set": key}, partial(zeroshot.ask, test_set, asker))
        return {"": results}

    def test_texts(self) -> list[list[str]]:
        """The right answer to each item, whole."""
        return [[item.text for item in test_set.items] for test_set in self.sets]

    def set_of_result(self) -> list[int]:
        """A set has a result for each of its scoring rules."""
        return [n for n, test_set in enumerate(self.sets) for _ in test_set.card.rules]

    def published(self) -> list[dict[str, Any]]:
        """Figures from the literature, each with the task it belongs to."""
        return zeroshot.published(self.sets)

    @cached_property
    def _digests(self) -> list[str]:
        return [test_set.digest() for test_set in self.sets]


@dataclass
class Rescoring(TaskGroup):
    """N-best lists of sentences of the corpus's test text."""

    kind = RESCORING
    corpus: Corpus
    lists: int
    seed: int = 0
    progress: Progress = field(default_factory=Progress)

    def ask(self, text_model: TextModel, keep: Keep = _at_once) -> Results:
        """The word error rate of the model's choices, its weight fitted."""
        of = {"text": self.corpus.sha256, "lists": self.lists, "seed": self.seed}
        return {"": _cached(keep, self.kind, of, lambda: [self._rescored(text_model)])}

    def baselines(self, keep: Keep = _at_once) -> Results:  # noqa: ARG002
        """What the channel's first choices score, and what the best candidates would."""
        test = self.test
        choices = {"the channel's first choice": test.errors_of_first, "the best candidate": test.errors_of_best}
        return {name: [test.result(errors, self._task, name)] for name, errors in choices.items()}

    def test_texts(self) -> list[list[str]]:
        """The references."""
        return [[one.reference for one in self.test.lists]]

    def set_of_result(self) -> list[int]:
        """One result, of one set."""
        return [0]

    @cached_property
    def test(self) -> rescoring.RescoringTest:
        """The lists. Raises UsageError for a corpus that has too few sentences."""
        return rescoring.RescoringTest.of(nbest.make(self.corpus, self.lists, seed=self.seed, progress=self.progress))

    def _rescored(self, text_model: TextModel) -> TaskResult:
        return rescoring.rescore(text_model, self.test, None, self._task, self.progress)[0]

    @property
    def _task(self) -> str:
        return f"n-best, {self.corpus.name}"


@dataclass
class Exam(TaskGroup):
    """Questions drawn from the corpus's own grammar, whose answers are known exactly."""

    kind = "exam"
    grammar: Grammar
    corpus: Corpus
    seed: int = EXAM_SEED
    progress: Progress = field(default_factory=Progress)

    def ask(self, text_model: TextModel, keep: Keep = _at_once) -> Results:
        """The model's accuracy on each phenomenon."""
        of = {"seed": self.seed, "text": self.corpus.sha256}
        return {"": _cached(keep, self.kind, of, lambda: targeted.ask(text_model, self.questions, self.progress))}

    def baselines(self, keep: Keep = _at_once) -> Results:  # noqa: ARG002
        """What the source of the text scores: a ceiling."""
        return {"the source": targeted.ceiling(self.questions, self.grammar)}

    def about(self) -> list[dict[str, Any]]:
        """Each phenomenon, with an example."""
        return targeted.about(self.questions, self.grammar)

    @cached_property
    def questions(self) -> targeted.Questions:
        """The questions, by phenomenon; none of them stands in the corpus's training text."""
        return targeted.questions(self.grammar, self.seed, self.corpus.train)


@dataclass
class Suite:
    """Test sets that were fetched and read."""

    probes: list[ProbeSet] = field(default_factory=list)
    zeroshot: list[ZeroShotSet] = field(default_factory=list)
    nbest_lists: int = 0  # to make and rescore
    missing: list[str] = field(default_factory=list)  # sets of "all" that could not be downloaded, and why


def read(wanted: str, limit: int = 0, mirror: str | None = None, progress: Progress | None = None) -> Suite:
    """The tasks of these names, with commas between them, or "all"; of each set at most `limit` items (0: all).

    N-best lists are made, never fewer than a word error rate needs. A name of both a probe and a zero-shot task (cola)
    is both. Raises UsageError for an unknown name, and DownloadError for a named set that cannot be downloaded.
    """
    probed, asked = datasets.names(), zeroshot_items.names()
    known = list(dict.fromkeys([*probed, *asked, RESCORING]))
    at_all = [name for name in known if name not in probed or name in asked or name in datasets.names(by_default=True)]
    chosen = at_all if wanted == "all" else [name.strip() for name in wanted.split(",")]
    for name in chosen:
        if name not in known:
            raise UsageError(f"no task {name!r}{nearest(name, known)}; there are: all, {', '.join(known)}")
    suite = Suite()
    if RESCORING in chosen:
        suite.nbest_lists = max(nbest.FEWEST, min(limit or nbest.LISTS, nbest.LISTS))
    for name in chosen:
        try:
            if name in probed:
                sets = datasets.load(name, mirror, progress)
                suite.probes += [examples.limited(limit) for examples in sets] if limit else sets
            if name in asked:
                suite.zeroshot += zeroshot_items.load(name, mirror, limit, progress)
        except DownloadError as error:
            if wanted != "all":
                raise
            suite.missing.append(f"{name} is left out: {error}")
    return suite


def _cached(keep: Keep, kind: str, of: Mapping[str, Any], work: Callable[[], Iterable[TaskResult]]) -> list[TaskResult]:
    facts = keep(kind, of, lambda: [result.to_json() for result in work()])
    return [TaskResult.from_json(fact) for fact in facts]


def _cached_rows(keep: Keep, kind: str, of: Mapping[str, Any], work: Callable[[], Results]) -> Results:
    def rows() -> dict[str, list[dict[str, Any]]]:
        return {row: [result.to_json() for result in results] for row, results in work().items()}

    return {row: [TaskResult.from_json(fact) for fact in facts] for row, facts in keep(kind, of, rows).items()}
