"""Models side by side: the same text, the same evaluation, one report.

A model is given as its name with settings ("ngram:order=3"), a file of your own ("mine.py") or a finished run
("runs/x"). One that fails leaves its error in its row; a section that fails leaves its error in the comparison.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from lmzoo.comparison import published, side_by_side
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, check_spec, enter, finish, is_run, over_seeds, scored
from lmzoo.comparison.on_cluster import Elsewhere, Errors, Team
from lmzoo.comparison.references import references
from lmzoo.comparison.results import (
    Certificate,
    Comparison,
    Computed,
    CorpusFacts,
    Difference,
    SeedScore,
)
from lmzoo.compression import certify
from lmzoo.data.corpus import SPLITS, Corpus, describe
from lmzoo.errors import LmzooError
from lmzoo.evaluation.people import Session
from lmzoo.evaluation.perplexity import block_interval
from lmzoo.files import typed
from lmzoo.interface import Run
from lmzoo.runs import provenance
from lmzoo.runs import train as training
from lmzoo.runs.cache import ResultCache, succeeded
from lmzoo.tasks.suite import Suite


def compare(
    specs: Sequence[str],
    corpus: Corpus,
    folder: Path,
    run: Run,
    tokenizer: str | None = None,
    word_tests: Mapping[str, str] | None = None,
    tests: Suite | None = None,
    seeds: int = 1,
    shares: Sequence[float] = (),
    certified: bool = False,
    sections: Sequence[Computed] = (),
    processes: int = 1,
    cluster: Elsewhere | None = None,
    transfer: bool = False,
    people: Sequence[Session] = (),
) -> Comparison:
    """Train, score and compare the models `specs` on `corpus`; `report.page.write` shows what is returned.

    Runs are saved in `folder`/runs and what was computed of them in `folder`/kept, so that the same comparison is
    read from there the next time, and an interrupted one is resumed. `tokenizer` is a specification (None: the
    corpus's own). Each model is trained with `seeds` seeds; its row is that of the first, `run`'s. `certified`: each
    model compresses the beginning of the test text, and another process decompresses it.

    `processes`: how many train models side by side (`side_by_side.workers` says how many help); with more than one,
    the main module must be importable, as `multiprocessing` asks.

    `cluster`: workers that do all of this instead, and leave what they find in the same places.

    `sections` compute what the comparison shows beyond its rows (all of the report's: `report.section.sections()`),
    some only where asked: `word_tests` is what `task_cards.fetch("words")` returns, `tests` are public test sets,
    `shares` those of the training text for learning curves, `transfer` that networks are fine-tuned on few labels,
    `people` games of Shannon's that people have played.
    """
    began = time.perf_counter()
    for spec in specs:
        check_spec(spec)
    run = replace(run, checkpoints=max((section.checkpoints for section in sections), default=run.checkpoints))
    text = training.encode(corpus, tokenizer, run)
    cache = ResultCache(folder / "kept")
    computed = [section for section in sections if section.facts is not None]
    threads = max(1, side_by_side.cores() // processes) if cluster else 1
    team = Team(cluster, specs, text, folder, run, computed, threads) if cluster else None
    if not team and processes > 1:
        side_by_side.train(specs, text, folder / "runs", run, cache, seeds, processes)
    failed = team.train(seeds) if team else {}
    entries = _enter_all(specs, text, folder / "runs", run, cache, seeds, failed)
    finish(entries)
    if certified:
        _certify(scored(entries), corpus, run)
    tests = tests or Suite()
    comparison = Comparison(
        name=folder.name,
        title=f"Language models on {corpus.title}",
        **provenance.provenance(),
        seconds=0.0,
        corpus=_corpus_facts(corpus),
        models=list(specs),
        reading=text.reading,
        rows=[entry.row for entry in entries],
        references=references(corpus, cache, run.progress),
        published=published.beside(corpus),
        differences=_differences(scored(entries)),
        untested=list(tests.missing),
    )
    context = Context(text, run, cache, word_tests, tests, shares, transfer, people)
    if team:
        team.compute(entries, computed, context)
    with side_by_side.assisted(entries, computed, context, folder / "runs", 1 if team else processes):
        for section in computed:
            _compute(section, entries, context.of(section), comparison)
    comparison.seconds = time.perf_counter() - began
    return comparison


def _enter_all(
    specs: Sequence[str], text: training.Text, runs: Path, run: Run, cache: ResultCache, seeds: int, failed: Errors
) -> list[Entry]:
    """All entries, without another try at what has `failed` on a worker."""
    entries = []
    with run.progress.task("comparing", len(specs) * seeds) as task:
        for spec in specs:
            task.doing(spec)
            entry = enter(spec, text, runs, run, cache, failed.get((spec, run.seed)))
            entries.append(entry)
            task.advance(1)
            if seeds > 1 and entry.score and not is_run(spec):
                first = SeedScore(run.seed, entry.score.bits_per_character)
                entry.row.seeds = [first, *over_seeds(spec, text, runs, run, seeds, cache, failed)]
            task.advance(seeds - 1)
    return entries


def _compute(section: Computed, entries: Sequence[Entry], context: Context, comparison: Comparison) -> None:
    """A section's facts into the comparison, or its error: trained models are not lost to it."""
    try:
        facts = section.compute(entries, context)
    except LmzooError as error:
        comparison.errors[section.id] = str(error)
    except Exception as error:
        comparison.errors[section.id] = f"{type(error).__name__}: {error}"
    else:
        if facts is not None:
            comparison.facts[section.id] = facts
        return
    comparison.untested.append(f"{section.id}: {comparison.errors[section.id]}")


def _certify(entries: Sequence[Entry], corpus: Corpus, run: Run) -> None:
    """Certified bits into each row. A file has the same bytes only when comparison on the CPU."""
    with run.progress.task("certifying", len(entries)) as task:
        for entry in entries:
            assert entry.folder
            task.doing(entry.label)
            prove = partial(certify.sample_of, entry.folder, entry.text_model, corpus.test, protocol=corpus.protocol,
                            code=entry.code, progress=run.progress)  # fmt: skip
            key = {"model": entry.identity, "test": corpus.sha256["test"]}
            facts = entry.cache.get("certified", key, prove, succeeded)
            entry.row.certified = typed(facts, Certificate, "certified")
            entry.model.to(run.device)
            if entry.row.certified.error:
                entry.row.notes.append(f"not certified: {entry.row.certified.error}")
            task.advance(1)


def _differences(entries: Sequence[Entry]) -> list[Difference]:
    """Each model minus the next best, on the same blocks of text: bits per character and its paired interval."""
    ranked = sorted(entries, key=lambda entry: entry.score.bits if entry.score else 0)
    differences = []
    for a, b in pairwise(ranked):
        assert a.blocks
        assert b.blocks
        (bits_a, characters), (bits_b, _) = a.blocks, b.blocks
        between = block_interval(bits_a - bits_b, characters)
        if between:
            delta = float((bits_a - bits_b).sum() / characters.sum())
            differences.append(Difference(a.label, b.label, delta, *between))
    return differences


def _corpus_facts(corpus: Corpus) -> CorpusFacts:
    counts = describe(corpus)
    return CorpusFacts(
        name=corpus.name,
        title=corpus.title,
        licence=corpus.licence,
        citation=corpus.citation,
        source=corpus.source,
        split=corpus.split,
        protocol=corpus.protocol,
        sha256=corpus.sha256,
        characters={split: counts[split]["characters"] for split in SPLITS},
        bytes={split: counts[split]["bytes"] for split in SPLITS},
        floor_bits=corpus.floor_bits["test"] if corpus.floor_bits else None,
    )
