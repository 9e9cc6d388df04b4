"""What each model writes after one prompt, and how much of it is copied from the training text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from lmzoo.analysis import memorization
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, scored
from lmzoo.comparison.results import OPTIONAL, Comparison, from_json
from lmzoo.report.section import Section, by_year


@dataclass(frozen=True)
class Sample:
    """A continuation of `prompt`, drawn with `seed` (None: that of the test text itself)."""

    label: str
    prompt: str
    seed: int | None
    text: str
    model: str = ""
    copied: float | None = field(default=None, metadata=OPTIONAL)  # share of its characters in copied stretches
    least: int | None = field(default=None, metadata=OPTIONAL)  # characters: no shorter stretch counts as copied
    stretches: tuple[tuple[int, int], ...] = ()  # in the text, copied from the training text
    longest: dict[str, Any] | None = field(default=None, metadata=OPTIONAL)  # the longest match with the training text


def compute(entries: Sequence[Entry], context: Context) -> tuple[Sample, ...]:
    """Of every scored model, and the continuation in the test text; a model that fails leaves a note in its row."""
    corpus, seed = context.corpus, context.run.seed
    prompt = memorization.prompt_of(corpus.test)
    key = {"seed": seed, "text": corpus.sha256, "protocol": corpus.protocol}
    asked = (prompt, seed, corpus.train)
    measured = context.each(scored(entries), key, lambda entry: memorization.facts_of(entry.text_model, *asked))
    written = [from_json(Sample, {**entry.named, **one}, "samples") for entry, one in measured]
    itself = from_json(Sample, memorization.of_test(corpus.test, corpus.train), "samples")
    return (*written, itself)


# ── Shown ──


@dataclass(frozen=True)
class Shown:
    """A sample as it is shown: its parts, (text, whether it is copied), and what is said of it."""

    sample: Sample
    family: str
    parts: tuple[tuple[str, bool], ...]
    said: tuple[str, ...]


def view(samples: Sequence[Sample], comparison: Comparison) -> dict[str, Any] | None:
    """The samples, in the order of the passages."""
    shown = [_shown(one, comparison.family(one.label)) for one in by_year(samples, comparison)]
    return {"samples": shown, "least": next((one.least for one in samples if one.least), None)} if shown else None


def _shown(sample: Sample, family: str) -> Shown:
    text = sample.text
    cuts = [0, *(place for stretch in sample.stretches for place in stretch), len(text)]
    parts = tuple((text[start:end], n % 2 == 1) for n, (start, end) in enumerate(pairwise(cuts)) if end > start)
    return Shown(sample, family, parts, _said(sample))


def _said(sample: Sample) -> tuple[str, ...]:
    """How much was copied, and the longest match; nothing of a sample that was not compared with the training text."""
    if sample.copied is None or sample.longest is None:
        return ()
    return f"{100 * sample.copied:.0f} % copied", f"longest match {sample.longest['characters']} characters"


section = Section("samples", "Generated text", 190, facts=tuple[Sample, ...], compute=compute, view=view)
