"""The labelled sets that a command line names: of a card, of the grammar of storyworld, or a TSV of one's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzoo.errors import UsageError, one_of

if TYPE_CHECKING:
    from lmzoo.interface import Progress
    from lmzoo.tasks.probing.datasets import ProbeSet

FILES = ".tsv"


def names(tasks: str | None, files: bool = False) -> list[str]:
    """The tasks in a list with commas; with `files` also files. Raises UsageError for one that there is not."""
    from lmzoo.tasks import grammar_probes
    from lmzoo.tasks.probing import datasets

    chosen = [name.strip() for name in tasks.split(",")] if tasks is not None else []
    for name in chosen:
        if files and name.endswith(FILES):
            if not Path(name).is_file():
                raise UsageError(f"there is no file {name}")
        else:
            one_of("probing task" if not files else "labelled task", name, [*grammar_probes.names(), *datasets.names()])
    return chosen


def read(
    named: Sequence[str],
    provenance: Mapping[str, Any],
    mirror: str | None,
    progress: "Progress",
    sizes: Mapping[int, int] | None = None,
) -> "dict[str, list[ProbeSet]]":
    """The sets of each task. Of no names: those of the grammar that wrote the run's training text, else of all.

    `sizes`: how many texts of each part the grammar writes (None: as for a probe).
    """
    from lmzoo.data import corpus as corpora
    from lmzoo.tasks import grammar_probes
    from lmzoo.tasks.probing import datasets

    of_run, story = str(provenance.get("corpus", "")), grammar_probes.ALL
    at_home = of_run.partition(":")[0] == story  # of any size
    chosen = list(named) or ([story] if at_home else datasets.names(by_default=True))
    sets: dict[str, list[ProbeSet]] = {}
    if written := [name for name in chosen if name in grammar_probes.names()]:
        corpus = corpora.load(of_run if at_home else story, mirror=mirror, progress=progress)
        grammar = corpora.grammar_of(corpus)
        assert grammar
        sets[",".join(written)] = grammar_probes.sets(grammar, corpus.train, written, sizes=sizes, progress=progress)
    for name in chosen:
        if name.endswith(FILES):
            sets[name] = [datasets.own(Path(name))]
        elif name not in written:
            sets[name] = datasets.load(name, mirror, progress)
    return sets
