"""What each model writes after one prompt, and how much of it is copied from the training text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from lmzoo.analysis import memorization
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import OPTIONAL, Comparison, OfModel
from lmzoo.files import typed
from lmzoo.report.section import Section, a_few


@dataclass(frozen=True)
class Sample(OfModel):
    """A continuation of `prompt`, drawn with `seed` (None: that of the test text itself)."""

    prompt: str
    seed: int | None
    text: str
    copied: float | None = field(default=None, metadata=OPTIONAL)  # share of its characters in copied stretches
    least: int | None = field(default=None, metadata=OPTIONAL)  # characters: no shorter stretch counts as copied
    stretches: tuple[tuple[int, int], ...] = ()  # in the text, copied from the training text
    longest: dict[str, Any] | None = field(default=None, metadata=OPTIONAL)  # the longest match with the training text

    @property
    def parts(self) -> list[tuple[str, bool]]:
        """The text in parts: (text, whether it is copied)."""
        cuts = [0, *(place for stretch in self.stretches for place in stretch), len(self.text)]
        parts = [(self.text[start:end], n % 2 == 1) for n, (start, end) in enumerate(pairwise(cuts))]
        return [(text, copied) for text, copied in parts if text]


def compute(entries: Sequence[Entry], context: Context) -> tuple[Sample, ...]:
    """Of every scored model, and the continuation in the test text; a model that fails leaves a note in its row."""
    corpus, seed = context.corpus, context.run.seed
    prompt = memorization.prompt_of(corpus.test)
    asked = (prompt, seed, corpus.train)
    written = context.each_scored(Sample, entries, lambda one, _: memorization.facts_of(one.text_model, *asked))
    itself = typed(memorization.of_test(corpus.test, corpus.train), Sample, "samples")
    return (*written, itself)


def view(samples: Sequence[Sample], comparison: Comparison) -> dict[str, Any] | None:
    """The samples of the same six models, in the order of the passages."""
    least = next((one.least for one in samples if one.least), None)
    return {"samples": a_few(samples, comparison), "least": least} if samples else None


section = Section(
    "samples", "Generated text", 20, "text", facts=tuple[Sample, ...], compute=compute, apart="models", view=view
)
