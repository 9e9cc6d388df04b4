"""Models side by side: the same text, the same ruler, one report.

A contestant is a model of the zoo ("ngram:order=3"), a file of your own ("mine.py") or a finished run
("runs/x"). One that fails leaves its error in its row, and the others stand.
"""

import bz2
import lzma
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo import _machine, associations, knowledge, published, sample
from lmzoo import train as training
from lmzoo._contestants import Contestant, enter, is_run, over_seeds, refuse_nonsense
from lmzoo._kept import Kept
from lmzoo.corpus import SPLITS, Corpus, describe
from lmzoo.evaluate import block_bits, evaluate, interval
from lmzoo.interface import LanguageModel, Run

ORDERS = range(1, 9)  # of the curve of bits against order
ORDERS_UP_TO = 5_000_000  # training tokens, above which that curve would take too long
PASSAGE = 700  # characters of the passage that is coloured
SAMPLE = 400  # characters of each sample
LARGEST_PREFIX = 1 << 25  # bytes of training text that xz is given: more would take minutes


def compare(
    contestants: Sequence[str],
    corpus: Corpus,
    folder: Path,
    run: Run,
    spec: str | None = None,
    word_tests: Mapping[str, str] | None = None,
    tests: knowledge.Tests | None = None,
    seeds: int = 1,
) -> dict[str, Any]:
    """Train, score and contrast `contestants` on `corpus`: the comparison that `report.write` shows.

    Runs of the trained models are kept in `folder`/runs, and what they were asked in `folder`/kept, so that the same
    comparison is made again from there, and one that was broken off goes on. `spec` is the tokenizer (None: the
    corpus's own), and `word_tests` what word vectors are asked, as `tasks.fetch("words")` gives it (None: nothing);
    `tests` are what the models are asked beside predicting. Each model that is trained is trained with so many
    `seeds`: its row is that of the first, `run`'s.
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
    return {
        "name": folder.name,
        "title": f"Language models on {corpus.title}",
        **_machine.provenance(),
        "corpus": _corpus_facts(corpus),
        "rows": [entry.row for entry in entries],
        "references": compressors(corpus.train, corpus.test),
        "published": published.beside(corpus),
        "differences": _differences(scored),
        "orders": orders,
        "passages": [_passage(entry) for entry in _two_to_contrast(scored)],
        "samples": [_sample(entry, run.seed) for entry in scored],
        **associations.facts(scored, text, run, word_tests),
        **knowledge.exam_facts(scored, corpus, run),
        **knowledge.test_facts(scored, tests or knowledge.Tests(), corpus, run),
        "seconds": time.perf_counter() - began,
    }


def _contrast(entries: list[Contestant]) -> None:
    for entry in entries:
        if entry.score and entry.tokenizer:
            entry.blocks = block_bits(entry.score, entry.tokenizer)
            entry.row["interval"] = interval(*entry.blocks)


def _differences(scored: list[Contestant]) -> list[dict[str, Any]]:
    """Each model minus the next best, on the same blocks of text: bits per character and its interval."""
    ranked = sorted(scored, key=lambda entry: entry.score.bits if entry.score else 0)
    made = []
    for a, b in pairwise(ranked):
        assert a.blocks and b.blocks
        (bits_a, characters), (bits_b, _) = a.blocks, b.blocks
        between = interval(bits_a - bits_b, characters)
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
    assert isinstance(fitted.model, LanguageModel)
    return evaluate(fitted.model, text.tokenizer, text.corpus.test, text.corpus.protocol).bits_per_character


def _two_to_contrast(scored: list[Contestant]) -> list[Contestant]:
    """The best, and the weakest that knows anything at all."""
    ranked = sorted(scored, key=lambda entry: entry.score.bits if entry.score else 0)
    knowing = [entry for entry in ranked if entry.row["reach"] != 0 or entry.row["model"] != "uniform"]
    return [knowing[-1], knowing[0]] if len(knowing) > 1 else ranked[:1]


def _passage(entry: Contestant) -> dict[str, Any]:
    """The first tokens of the test text, each with its bits."""
    assert entry.score and entry.tokenizer
    ids = entry.score.ids[: 4 * PASSAGE]  # a character has at most four bytes, and so at most four tokens
    texts = entry.tokenizer.pieces(ids)
    ends = np.cumsum([len(piece) for piece in texts])
    shown = int(np.searchsorted(ends, len(_whole_words("".join(texts)[:PASSAGE])), side="right"))
    pairs = zip(texts[:shown], entry.score.token_bits[:shown].tolist(), strict=True)
    return {"label": entry.label, "pieces": [{"text": piece, "bits": bits} for piece, bits in pairs]}


def _whole_words(text: str) -> str:
    """`text` without the word that was cut at its end."""
    end = max(text.rfind(" "), text.rfind("\n"))
    return text[:end] if end > len(text) // 2 else text


def _sample(entry: Contestant, seed: int) -> dict[str, Any]:
    assert entry.model and entry.tokenizer
    ids: list[int] = []
    for token in sample.generate(entry.model, np.array([], dtype=np.int32), SAMPLE, seed=seed):
        ids.append(token)
        if len(ids) % 50 == 0 and len(entry.tokenizer.decode(ids)) >= SAMPLE:
            break
    return {
        "label": entry.label,
        "prompt": "",
        "seed": seed,
        "text": _whole_words(entry.tokenizer.decode(ids)[:SAMPLE]),
    }


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


def compressors(train: str, test: str) -> list[dict[str, Any]]:
    """What gzip, bz2 and xz make of the test text, with the training text before it where they can use it.

    gzip looks back 32 kB, so it gets that much as a dictionary. xz can look back over all of it: what counts is
    by how much the compressed text grows. bz2 starts each block of 900 kB afresh and is given nothing.
    """
    before, after = train.encode("utf-8", "surrogatepass"), test.encode("utf-8", "surrogatepass")
    prefix = before[-LARGEST_PREFIX:]
    all_of_it = "given the training text" if prefix == before else f"given the last {len(prefix) >> 20} MiB of it"
    made: list[tuple[str, str, bool, Callable[[], int]]] = [
        ("gzip", "given the last 32 kB of the training text", True, lambda: _deflate(before[-32768:], after)),
        ("bz2", "alone", False, lambda: len(bz2.compress(after))),
        ("xz", all_of_it, True, lambda: _xz(prefix + after) - _xz(prefix)),
    ]
    references = []
    for label, note, given, size in made:
        bits = 8 * size()
        row = {"label": label, "given_train": given, "note": note}
        references.append({**row, "bits": bits, "bits_per_character": bits / len(test)})
    return references


def _deflate(dictionary: bytes, data: bytes) -> int:
    coder = zlib.compressobj(level=9, zdict=dictionary)
    return len(coder.compress(data) + coder.flush())


def _xz(data: bytes) -> int:
    window = max(1 << 16, len(data))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": window}]
    return len(lzma.compress(data, format=lzma.FORMAT_XZ, filters=filters))
