"""General-purpose compressors on the test text, as rows beside the models; cached."""

from lmzoo.comparison.results import Reference
from lmzoo.compression import compressors
from lmzoo.data.corpus import Corpus
from lmzoo.files import typed
from lmzoo.interface import Progress
from lmzoo.runs.cache import ResultCache


def references(corpus: Corpus, cache: ResultCache, progress: Progress) -> list[Reference]:
    """A row for each compressor, alone and given training text."""
    key = {"train": corpus.sha256["train"], "test": corpus.sha256["test"]}
    rows = cache.get("compressors", key, lambda: compressors.references(corpus.train, corpus.test, progress))
    return typed(rows, list[Reference], "references")
