"""The old name of `Tokenizer.normalize`, until nothing uses it."""

from collections.abc import Iterable

from lmzoo.data.tokenizers.base import Tokenizer
from lmzoo.data.tokenizers.pretokenized import Split


class ClosedVocabulary:
    """How texts are written for a `split` tokenizer, and how much of them it does not know."""

    def __init__(self, tokenizer: Tokenizer):
        assert isinstance(tokenizer, Split)
        self.tokenizer = tokenizer
        self.known = tokenizer.normalizer.vocabulary
        self.reads_all = tokenizer.unknown is not None

    def write(self, beginning: str, continuation: str) -> tuple[str, str]:
        """Both as the corpus would have them."""
        return self.tokenizer.normalize(beginning), self.tokenizer.normalize(continuation, beginning)

    def unknown(self, text: str) -> float:
        """Above zero where words of `text` are unknown."""
        return self.tokenizer.unknown_share([text])

    def share_unknown(self, texts: Iterable[str]) -> float:
        """The share of the words of `texts` that are read as <unk>."""
        return self.tokenizer.unknown_share(texts)
