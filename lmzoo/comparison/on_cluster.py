"""A comparison on a cluster: each model with each seed is a job, and so is each model's part of each section.

What travels: to workers the job, the tokenizer as JSON, and runs as the bytes of their files; from workers the files of
the run that was trained and of what was cached. They are laid into the folder of runs and the cache, where the
comparison finds them as if they had been made here. What a worker left undone, the comparison does itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from lmzoo.cluster import Workers
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, enter, is_run, is_trained, scores_kept
from lmzoo.comparison.jobs import GIVEN, KEPT, RUNS, Asked, Done, Job, do, files_of, lay, sha256_of_code
from lmzoo.comparison.references import references
from lmzoo.comparison.results import Computed
from lmzoo.data.corpus import Paths
from lmzoo.evaluation.people import Session
from lmzoo.interface import Progress, Run
from lmzoo.runs import provenance
from lmzoo.runs import train as training
from lmzoo.runs.cache import Condition, ResultCache, always

Errors = dict[tuple[str, int], str]  # of models that could not be trained, by specification and seed


@dataclass(frozen=True)
class Elsewhere:
    """Workers, and what they read besides the corpus: see the flags of `lmzoo compare`."""

    workers: Workers
    mirror: str | None = None
    tasks: str | None = None
    limit: int = 0
    words: bool = False
    transfer: bool = False
    people: Sequence[Session] = ()


class Team:
    """The workers at the jobs of one comparison."""

    def __init__(
        self,
        elsewhere: Elsewhere,
        specs: Sequence[str],
        text: training.Text,
        folder: Path,
        run: Run,
        sections: Sequence[Computed],
        threads: int,
    ):
        self.workers, self.specs, self.text, self.run = elsewhere.workers, specs, text, run
        self.folder, self.looking = folder, _Looking(folder / KEPT)
        own = text.corpus.paths
        self.asked = self.workers.share(
            Asked(
                corpus=replace(text.corpus, train="", valid="", test=""),
                paths=Paths(**own.to_json()) if own else text.corpus.name,
                mirror=_everywhere(elsewhere.mirror),
                code={path: sha256_of_code(path) for path in filter(None, map(_code, specs))},
                tokenizer=text.tokenizer.to_json(),
                chosen=text.chosen,
                run=replace(run, progress=Progress()),
                threads=threads,
                tasks=elsewhere.tasks,
                limit=elsewhere.limit,
                words=elsewhere.words,
                transfer=elsewhere.transfer,
                people=tuple(elsewhere.people),
                sections=[section.bare for section in sections],
                circumstances=provenance.circumstances(),
                command=provenance.command(),
            )
        )
        self.models: dict[str, Any] = {}  # by specification: the future of a run, of the first seed

    def train(self, seeds: int) -> Errors:
        """Train and score what is not among the runs yet; what failed on a worker. The last models begin first."""
        runs, jobs = self.folder / RUNS, {}
        if self._misses(lambda cache: references(self.text.corpus, cache, Progress())):
            jobs[self._submit(Job())] = ("", 0)
        first, specs = self.run.seed, [*dict.fromkeys(self.specs)]
        for seed, spec in product(range(first, first + seeds), specs[::-1]):
            run = replace(self.run, seed=seed, progress=Progress())
            if is_run(spec):
                known = seed > first or not self._misses(partial(enter, spec, self.text, runs, run))
            else:
                known = is_trained(spec, self.text, runs, run)
            if not known:
                given = [self._given(spec)] if is_run(spec) else []
                jobs[self._submit(Job((self._there(spec),), seed), *given)] = (spec, seed)
        errors = {}
        for future, done in self._done("training", jobs):
            spec, seed = jobs[future]
            trained = any(name.startswith(f"{RUNS}/") for name in done.files)
            if trained and seed == first:
                self.models[spec] = future
            elif done.error and not trained and not is_run(spec):
                errors[spec, seed] = done.error.replace(self._there(spec), spec)
        return errors

    def compute(self, entries: Sequence[Entry], sections: Sequence[Computed], context: Context) -> None:
        """Into the cache what it lacks of the sections."""
        able = [entry for entry in entries if entry.loaded and not entry.row.error]
        jobs = {}
        for section in sections:
            if able and self._lacks(section, able, context):
                for part, share in self._parts(section, able, context):
                    specs = tuple(self._there(entry.spec) for entry in part)
                    models = [self._model(entry) for entry in part]
                    jobs[self._submit(Job(specs, self.run.seed, section.id, share), *models)] = section.id
        for _ in self._done("sections", jobs):
            pass

    def _parts(
        self, section: Computed, entries: Sequence[Entry], context: Context
    ) -> Iterator[tuple[Sequence[Entry], float | None]]:
        """What of a section is a job, and not in the cache: each model, each share of the text with each, or all."""
        if section.apart == "whole":
            yield entries, None
            return
        for entry in entries:
            for share in context.shares if section.apart == "shares" else (None,):
                of = replace(context, shares=() if share is None else (share,))
                if self._lacks(section, [entry], of):
                    yield [entry], share

    def _lacks(self, section: Computed, entries: Sequence[Entry], context: Context) -> bool:
        """Whether something of it is not in the cache."""
        silent = replace(context, run=replace(self.run, progress=Progress()))
        untouched = [replace(entry, row=deepcopy(entry.row)) for entry in entries]

        def look(cache: ResultCache) -> None:
            with suppress(Exception):  # the comparison meets it again, and says it
                section.compute(untouched, replace(silent, cache=cache).of(section))

        return self._misses(look)

    def _misses(self, look: Callable[[ResultCache], Any]) -> bool:
        try:
            look(self.looking)
        except _MissingError:
            return True
        return False

    def _submit(self, job: Job, *given: Any) -> Any:
        return self.workers.submit(do, self.asked, job, *given)

    def _done(self, name: str, jobs: Mapping[Any, Any]) -> Iterator[tuple[Any, Done]]:
        """Jobs as they are done, their files laid here."""
        for future, done in self.workers.each(name, list(jobs)):
            if done is not None:  # else its process was killed
                lay(done.files, self.folder)
                yield future, done

    def _model(self, entry: Entry) -> Any:
        """The future of an entry's run and scores."""
        if entry.spec not in self.models:
            self.models[entry.spec] = self._given(entry.spec, entry)
        return self.models[entry.spec]

    def _given(self, spec: str, entry: Entry | None = None) -> Any:
        """The future of a run that is here, under the name by which workers are told of it."""
        folder = Path(spec) if is_run(spec) else entry and entry.folder
        assert folder
        name = self._there(spec) if is_run(spec) else f"{RUNS}/{folder.name}"
        scores = scores_kept(entry, self.text.corpus, self.run.exact) if entry else []
        files = {f"{KEPT}/{path.name}": path.read_bytes() for path in scores}
        return self.workers.share(Done(files | files_of(folder, name)))

    def _there(self, spec: str) -> str:
        """A contestant as workers know it."""
        if is_run(spec):
            return f"{GIVEN}/{self.specs.index(spec)}/{Path(spec).name}"
        code = _code(spec)
        return spec.replace(training.parse(spec)[0], code, 1) if code else spec


class _MissingError(BaseException):
    """Something is not in the cache. No Exception, which a section may catch."""


class _Looking(ResultCache):
    """The cache, where nothing is computed."""

    def get_with_arrays(
        self,
        kind: str,
        key: Mapping[str, Any],
        compute: Callable[[], Any],  # noqa: ARG002
        condition: Condition = always,
    ) -> Any:
        """As of any cache. Raises _MissingError where there is no entry."""

        def missing() -> Any:
            raise _MissingError

        return super().get_with_arrays(kind, key, missing, condition)


def _code(spec: str) -> str:
    """The path of a contestant's FILE.py; "" where it is none."""
    path = "" if is_run(spec) else training.parse(spec)[0]
    return str(Path(path).absolute()) if Path(path).is_file() else ""


def _everywhere(mirror: str | None) -> str | None:
    return str(Path(mirror).absolute()) if mirror and "://" not in mirror else mirror
