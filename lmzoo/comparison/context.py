"""What a section of a comparison is given beside the models: the text, the run, and a cache of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Section
from lmzoo.data.corpus import Corpus
from lmzoo.errors import LmzooError
from lmzoo.interface import Progress, Run
from lmzoo.runs.cache import Condition, ResultCache, always
from lmzoo.runs.train import Text
from lmzoo.tasks.suite import Suite


@dataclass(frozen=True)
class Context:
    """Corpus, text, run and cache, and what the comparison was asked for beside the scores."""

    text: Text
    run: Run
    cache: ResultCache = field(default_factory=lambda: ResultCache(None))
    word_tests: Mapping[str, str] | None = None  # the files of the task "words"; None: not asked for
    tests: Suite = field(default_factory=Suite)  # public test sets
    shares: Sequence[float] = ()  # of the training text, for learning curves
    section: str = ""  # whose cache it is
    version: int = 0

    @property
    def corpus(self) -> Corpus:
        """The corpus of the text."""
        return self.text.corpus

    @property
    def progress(self) -> Progress:
        """Where a long computation says how far it is."""
        return self.run.progress

    def of(self, section: Section) -> "Context":
        """The same, with the cache of `section`: under its id and version."""
        return replace(self, section=section.id, version=section.version)

    def cached(self, key: Mapping[str, Any], compute: Callable[[], Any], condition: Condition = always) -> Any:
        """The result of `compute`, plain JSON, cached under `key` if it meets the `condition`."""
        return self.cache.get(self.section, {"version": self.version, **key}, compute, condition)

    def of_entry(
        self, entry: Entry, key: Mapping[str, Any], compute: Callable[[], Any], condition: Condition = always
    ) -> Any:
        """`cached`, for a result of one model."""
        return self.cached({"model": entry.identity, **key}, compute, condition)

    def each(
        self, entries: Sequence[Entry], key: Mapping[str, Any], look: Callable[[Entry], Any]
    ) -> Iterator[tuple[Entry, Any]]:
        """(entry, `look(entry)`) of each entry for which `look` returns something, from the cache where possible.

        A look that fails, as it may in somebody's own file, leaves a note in that row, and the others stand.
        """
        with self.progress.task(self.section, len(entries)) as task:
            for entry in entries:
                try:
                    facts = self.of_entry(entry, key, partial(look, entry))
                except Exception as error:
                    reason = error if isinstance(error, LmzooError) else repr(error)
                    entry.row.notes.append(f"no {self.section}: {reason}")
                    facts = None
                if facts:
                    yield entry, facts
                task.advance(1, entry.label)
