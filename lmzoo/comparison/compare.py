"""Models side by side: the same text, the same ruler, one report.

A contestant is a model of the zoo ("ngram:order=3"), a file of your own ("mine.py") or a finished run
("runs/x"). One that fails leaves its error in its row, and the others stand.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from lmzoo.analysis import calibration, context_length, memorization, surprisal
from lmzoo.comparison import associations, curves, knowledge, published
from lmzoo.comparison.entry import Contestant, enter, is_run, over_seeds, refuse_nonsense
from lmzoo.compression import certify, compressors
from lmzoo.data.corpus import SPLITS, Corpus, describe
from lmzoo.errors import LmzooError
from lmzoo.evaluation.perplexity import Score, block_bits, block_interval, evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Run
from lmzoo.runs import provenance
from lmzoo.runs import train as training
from lmzoo.runs.cache import Kept, digest, succeeded
from lmzoo.tasks.suite import Suite

ORDERS = range(1, 9)  # of the curve of bits against order
ORDERS_UP_TO = 5_000_000  # training tokens, above which that curve would take too long


def compare(
    contestants: Sequence[str],
    corpus: Corpus,
    folder: Path,
    run: Run,
    spec: str | None = None,
    word_tests: Mapping[str, str] | None = None,
    tests: Suite | None = None,
    seeds: int = 1,
    shares: Sequence[float] = (),
    certified: bool = False,
) -> dict[str, Any]:
    """Train, score and contrast `contestants` on `corpus`: the comparison that `report.write` shows.

    Runs of the trained models are kept in `folder`/runs, and what they were asked in `folder`/kept, so that the same
    comparison is made again from there, and one that was broken off goes on. `spec` is the tokenizer (None: the
    corpus's own), and `word_tests` what word vectors are asked, as `tasks.fetch("words")` gives it (None: nothing);
    `tests` are what the models are asked beside predicting. Each model that is trained is trained with so many
    `seeds`: its row is that of the first, `run`'s; and anew from each of `shares` of the training text, for curves.
    `certified` has each compress the beginning of the test text, and another process bring it back.
    """
    began = time.perf_counter()
    for words in contestants:
        refuse_nonsense(words)
    text = training.encode(corpus, spec, run)
    kept, entries = Kept(folder / "kept"), []
    with run.progress.task("comparing", len(contestants) * seeds + 2) as task:
        for words in contestants:
            entry = enter(words, text, folder / "runs", run, kept)
            entries.append(entry)
            task.advance(1, entry.label)
            if seeds > 1 and entry.score and not is_run(words):
                others = over_seeds(words, text, folder / "runs", run, seeds)
                entry.row["seeds"] = [{"seed": run.seed, "bits_per_character": entry.score.bits_per_character}, *others]
            task.advance(seeds - 1)
        _contrast(entries)
        task.advance(1, "differences")
        orders = _orders(entries, text, run, kept)
        task.advance(1)
    scored = [entry for entry in entries if entry.score]
    texts = {"train": corpus.sha256["train"], "test": corpus.sha256["test"]}
    if certified:
        _certify(scored, corpus, run)
    return {
        "name": folder.name,
        "title": f"Language models on {corpus.title}",
        **provenance.provenance(),
        "corpus": _corpus_facts(corpus),
        "rows": [entry.row for entry in entries],
        "references": kept.facts(
            "compressors", texts, lambda: compressors.references(corpus.train, corpus.test, run.progress)
        ),
        "published": published.beside(corpus),
        "differences": _differences(scored),
        "orders": orders,
        **({"curves": _curves(contestants, entries, text, run, kept, shares)} if shares else {}),
        **_looked_into(scored, corpus, run),
        **_associations(scored, text, run, kept, word_tests),
        **knowledge.exam_facts(scored, corpus, run),
        **knowledge.test_facts(scored, tests or Suite(), corpus, run),
        "seconds": time.perf_counter() - began,
    }


def _contrast(entries: list[Contestant]) -> None:
    for entry in entries:
        if entry.score and entry.tokenizer:
            entry.blocks = block_bits(entry.score, entry.tokenizer)
            entry.row["interval"] = block_interval(*entry.blocks)


def _certify(scored: Sequence[Contestant], corpus: Corpus, run: Run) -> None:
    """Certified bits into each row. A file is the same bytes only from the CPU, so that is where it is made."""
    with run.progress.task("certifying", len(scored)) as task:
        for entry in scored:
            assert entry.folder
            prove = partial(certify.sample_of, entry.folder, entry.reader, corpus.test, protocol=corpus.protocol,
                            code=entry.code, progress=run.progress)  # fmt: skip
            entry.row["certified"] = entry.keep("certified", {"test": corpus.sha256["test"]}, prove, succeeded)
            entry.reader.model.to(run.device)
            if not succeeded(entry.row["certified"]):
                entry.row["notes"].append(f"not certified: {entry.row['certified']['error']}")
            task.advance(1, entry.label)


def _differences(scored: list[Contestant]) -> list[dict[str, Any]]:
    """Each model minus the next best, on the same blocks of text: bits per character and its interval."""
    ranked = sorted(scored, key=lambda entry: entry.score.bits if entry.score else 0)
    made = []
    for a, b in pairwise(ranked):
        assert a.blocks and b.blocks
        (bits_a, characters), (bits_b, _) = a.blocks, b.blocks
        between = block_interval(bits_a - bits_b, characters)
        if between:
            delta = float((bits_a - bits_b).sum() / characters.sum())
            made.append({"a": a.label, "b": b.label, "delta": delta, "low": between[0], "high": between[1]})
    return made


def _orders(entries: list[Contestant], text: training.Text, run: Run, kept: Kept) -> list[dict[str, Any]]:
    """Bits per character of the n-gram against its order, for each smoothing among the contestants."""
    smoothings = {e.row["config"].get("smoothing"): e for e in entries if e.row["model"] == "ngram" and e.score}
    if len(text.train) > ORDERS_UP_TO or not smoothings:
        return []
    points = []
    with run.progress.task("order by order", len(ORDERS) * len(smoothings)) as task:
        for smoothing in smoothings:
            for order in ORDERS:
                given = {"order": str(order), "smoothing": smoothing}
                of = {"training": training.key("ngram", given, text, run), "test": text.corpus.sha256["test"]}
                bits = kept.facts("order", of, partial(_bits_of_ngram, given, text, run))
                points.append({"order": order, "smoothing": smoothing, "bits_per_character": bits})
                task.advance(1)
    return points


def _bits_of_ngram(given: dict[str, str], text: training.Text, run: Run) -> float:
    fitted = training.fit("ngram", given, text, run)
    return evaluate(fitted.text_model, text.corpus.test, text.corpus.protocol).bits_per_character


def _curves(
    contestants: Sequence[str],
    entries: Sequence[Contestant],
    text: training.Text,
    run: Run,
    kept: Kept,
    shares: Sequence[float],
) -> dict[str, Any]:
    """Bits per character of each contestant that was trained, against how much it learned from."""
    corpus, rows = text.corpus, []
    trained = [(words, entry) for words, entry in zip(contestants, entries, strict=True) if not is_run(words)]
    source = corpus.floor_bits["test"] / len(corpus.test) if corpus.floor_bits else None
    with run.progress.task("learning curves", len(trained) * len(shares)) as task:
        for words, entry in trained:
            of = {"training": training.key(*training.parse(words), text, run), "test": corpus.sha256["test"]}
            points = []
            for share in shares:
                if share == 1 and entry.score:
                    seconds, remarks = entry.row["train_seconds"], entry.row["provenance"].get("remarks", [])
                    points.append(curves.whole(text, entry.score, seconds, remarks))
                else:
                    learn = partial(curves.point, words, share, text, run)
                    points.append(kept.facts("curve", {**of, "share": share}, learn, succeeded))
                task.advance(1, f"{entry.label}, 1/{1 / share:.0f}")
            rows.append(curves.row(entry.label, entry.row["model"], points, source))
    return {"rows": rows}


Look = Callable[[TextModel, Score], Any]


def _looked_into(scored: Sequence[Contestant], corpus: Corpus, run: Run) -> dict[str, Any]:
    """What each model makes of one passage, writes behind one prompt, does with context, and knows of its doubt."""
    prompt = memorization.prompt_of(corpus.test)
    same = {"seed": run.seed, "text": corpus.sha256, "protocol": corpus.protocol}
    asked = (corpus.test, run.seed, run.progress, corpus.protocol)
    ways: dict[str, Look] = {
        "passages": surprisal.facts_of,
        "samples": lambda text_model, _: memorization.facts_of(text_model, prompt, run.seed, corpus.train),
        "context": lambda text_model, _: context_length.facts_of(text_model, *asked),
        "calibration": lambda text_model, _: calibration.facts_of(text_model, *asked),
    }
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    with run.progress.task("looking into them", len(scored) * len(ways)) as task:
        for entry in scored:
            for way, look in ways.items():
                told = _told(entry, way, same, look)
                if told:
                    found[way].append({"label": entry.label, "model": entry.row["model"], **told})
                task.advance(1, f"{entry.label}: {way}")
    itself = memorization.of_test(corpus.test, corpus.train)
    return {
        "passages": found["passages"],
        "samples": [*found["samples"], itself],
        "context": {"rows": found["context"]},
        "calibration": {"rows": found["calibration"]},
    }


def _told(entry: Contestant, way: str, of: Mapping[str, Any], look: Look) -> Any:
    """What `look` finds in this model; where that fails, which a file of somebody's own may do, a note in its row."""
    score = entry.score
    assert score
    try:
        return entry.keep(way, of, lambda: look(entry.reader, score))
    except Exception as error:
        entry.row["notes"].append(f"no {way}: {error if isinstance(error, LmzooError) else repr(error)}")
        return None


def _associations(
    scored: Sequence[Contestant],
    text: training.Text,
    run: Run,
    kept: Kept,
    word_tests: Mapping[str, str] | None,
) -> dict[str, Any]:
    of = {
        "models": [[entry.label, entry.identity] for entry in scored],
        "text": text.corpus.sha256,
        "seed": run.seed,
        "words": word_tests and {name: digest(contents) for name, contents in word_tests.items()},
    }
    found: dict[str, Any] = kept.facts("associations", of, lambda: associations.facts(scored, text, run, word_tests))
    return found


def _corpus_facts(corpus: Corpus) -> dict[str, Any]:
    counts = describe(corpus)
    return {
        "name": corpus.name,
        "title": corpus.title,
        "licence": corpus.licence,
        "citation": corpus.citation,
        "source": corpus.source,
        "split": corpus.split,
        "protocol": corpus.protocol,
        "sha256": corpus.sha256,
        "characters": {split: counts[split]["characters"] for split in SPLITS},
        "bytes": {split: counts[split]["bytes"] for split in SPLITS},
        "floor_bits": corpus.floor_bits["test"] if corpus.floor_bits else None,
    }
