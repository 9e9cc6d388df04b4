"""What a section of a comparison is given beside the models: the text, the run, and a cache of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from lmzoo.comparison.entry import Entry, scored
from lmzoo.comparison.results import Computed, to_json
from lmzoo.data import corpus as corpora
from lmzoo.data.corpus import Corpus
from lmzoo.errors import LmzooError
from lmzoo.evaluation.people import Session
from lmzoo.evaluation.perplexity import Score
from lmzoo.files import typed
from lmzoo.interface import Progress, Run
from lmzoo.runs.cache import Condition, ResultCache, always
from lmzoo.runs.train import Text
from lmzoo.tasks import grammar_probes
from lmzoo.tasks.probing.datasets import ProbeSet
from lmzoo.tasks.suite import Exam, Suite

T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """Corpus, text, run and cache, and what the comparison was asked for beside the scores."""

    text: Text
    run: Run
    cache: ResultCache = field(default_factory=lambda: ResultCache(None))
    word_tests: Mapping[str, str] | None = None  # the files of the task "words"; None: not asked for
    tests: Suite = field(default_factory=Suite)  # public test sets
    shares: Sequence[float] = ()  # of the training text, for learning curves
    transfer: bool = False  # whether networks are fine-tuned, too
    people: Sequence[Session] = ()  # games that people have played on such text
    section: str = ""  # whose cache it is
    version: int = 0
    shared: dict[str, Any] = field(default_factory=dict)  # what several sections need

    @property
    def exam(self) -> Exam | None:
        """On the grammar that generated the text, its questions drawn once for all sections; None of any other text."""
        grammar = self._once("grammar", lambda: corpora.grammar_of(self.corpus))
        return grammar and self._once("exam", lambda: Exam(grammar, self.corpus, progress=self.progress))

    @property
    def own_probes(self) -> list[ProbeSet]:
        """What that grammar labels, drawn once for all sections; none of any other text."""
        grammar = self._once("grammar", lambda: corpora.grammar_of(self.corpus))
        if grammar is None:
            return []
        draw = partial(grammar_probes.sets, grammar, self.corpus.train, progress=self.progress)
        return list(self._once("probes", draw))

    def _once(self, name: str, compute: Callable[[], Any]) -> Any:
        if name not in self.shared:
            self.shared[name] = compute()
        return self.shared[name]

    @property
    def corpus(self) -> Corpus:
        """The corpus of the text."""
        return self.text.corpus

    @property
    def progress(self) -> Progress:
        """Where a long computation says how far it is."""
        return self.run.progress

    def of(self, section: Computed) -> "Context":
        """The same, with the cache of `section`: under its id and version."""
        return replace(self, section=section.id, version=section.version)

    def cached(
        self, kind: type[T], key: Mapping[str, Any], compute: Callable[[], Any], condition: Condition = always
    ) -> T:
        """The result of `compute`, a `kind` or its JSON, cached under `key` if its JSON meets the `condition`."""
        full_key = {"version": self.version, **key}
        facts = self.cache.get(self.section, full_key, lambda: to_json(compute()), condition)
        return typed(facts, kind, self.section)

    def each_scored(
        self, kind: type[T], entries: Sequence[Entry], look: Callable[[Entry, Score], Any]
    ) -> tuple[T, ...]:
        """What `look` finds in each scored entry, JSON or None, as a `kind` with its label and model; cached.

        A look that fails, as it may in somebody's own file, leaves a note in that row, and the others stand.
        """
        text = {"seed": self.run.seed, "text": self.corpus.sha256, "protocol": self.corpus.protocol}
        able, rows = scored(entries), []
        with self.progress.task(self.section, len(able)) as task:
            for entry in able:
                facts: Any = None
                task.doing(entry.label)
                try:
                    assert entry.score
                    key = {"model": entry.identity, **text}
                    facts = self.cached(Any, key, partial(look, entry, entry.score))
                except Exception as error:
                    reason = error if isinstance(error, LmzooError) else repr(error)
                    entry.row.notes.append(f"no {self.section}: {reason}")
                if facts:
                    rows.append(typed({**entry.named, **facts}, kind, self.section))
                task.advance(1)
        return tuple(rows)
