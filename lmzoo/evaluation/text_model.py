"""A model with its tokenizer: what answers questions about text."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any, TypeVar, cast

import numpy as np

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation import characters, generation
from lmzoo.interface import (
    Classifier,
    Decoder,
    Encoder,
    Floats,
    Ids,
    LanguageModel,
    MaskedModel,
    SentenceEncoder,
    SpanFiller,
    TextToText,
)

Ability = TypeVar("Ability")

# What is said of a model without the ability.
LACKS: dict[Any, str] = {
    LanguageModel: "gives no probability to a text",
    Decoder: "does not predict the next token",
    MaskedModel: "fills no blanks",
    SpanFiller: "fills no blanks",
    Encoder: "has no vectors",
    SentenceEncoder: "has no vectors of whole texts",
    Classifier: "knows no classes",
    TextToText: "writes no text for a text",
}
# What it can do in place of that.
INSTEAD: dict[Any, str] = {
    MaskedModel: ": it fills blanks from both sides (lmzoo fill, lmzoo score)",
    LanguageModel: ": it reads from left to right (lmzoo generate goes on with a text)",
}


@dataclass(frozen=True, eq=False)
class TextModel:
    """A model with the tokenizer it was trained with. Unpacks as the two: `model, tokenizer = text_model`.

    Texts are given as people write them: those of a closed vocabulary are normalized to the corpus's own writing
    first, see `Tokenizer.normalize`. Every method raises UsageError, with the model's name, where the model lacks the
    ability it needs.
    """

    model: Any  # a Model; typed loosely, for what it can do is asked at run time: see `require`
    tokenizer: Tokenizer

    def __post_init__(self) -> None:
        if self.model.vocab_size_ != self.tokenizer.vocab_size:
            raise UsageError(
                f"the model knows {self.model.vocab_size_} tokens and the tokenizer {self.tokenizer.spec} has "
                f"{self.tokenizer.vocab_size}: they are not of the same run"
            )

    def __iter__(self) -> Iterator[Any]:
        return iter((self.model, self.tokenizer))

    @property
    def name(self) -> str:
        """The model's name, for messages."""
        return self.model.name or type(self.model).__name__

    def require(self, ability: Callable[..., Ability], consequence: str) -> Ability:
        """The model as one that has `ability`, a class of `lmzoo.interface`.

        Raises UsageError "NAME gives no probability to a text, so CONSEQUENCE" where it has not.
        """
        if not isinstance(self.model, ability):  # type: ignore[arg-type]
            can = INSTEAD[MaskedModel] if isinstance(self.model, MaskedModel) else ""
            can = INSTEAD[LanguageModel] if ability is MaskedModel and isinstance(self.model, LanguageModel) else can
            raise UsageError(f"{self.name} {LACKS[ability]}, so {consequence}{can}")
        return cast("Ability", self.model)

    def encode_continuation(self, beginning: str, continuation: str) -> tuple[Ids, int]:
        """The ids of the two joined, and the place among them of the first that belongs to the continuation.

        The joined text is encoded as one, for that is how a model knows it: a token that crosses the border counts as
        continuation.
        """
        ids = self.tokenizer.encode(beginning + continuation)
        if not beginning:
            return ids, 0
        ends = np.cumsum([len(piece) for piece in self.tokenizer.pieces(ids)]).tolist()
        return ids, first_token(ends, len(beginning))

    # ── LanguageModel ──

    def surprisals(self, text: str) -> list[tuple[str, float]]:
        """Each token's text and its surprisal −log₂ P(token | those before), in bits."""
        model = self.require(LanguageModel, "it cannot say how surprising one is")
        ids = self._encode(text)
        bits = model.log_probs(ids)[0] / -np.log(2)
        return list(zip(self.tokenizer.pieces(ids), map(float, bits), strict=True))

    def next_characters(self, text: str = "") -> dict[str, float]:
        """P(character | text) for every character that can come next, whatever tokens spell it: see `characters`."""
        model = self.require(LanguageModel, "it cannot predict the next character")
        ids, last_word = characters.split_last_word(self.tokenizer, self.up_to_a_part_of_a_word(text))
        probabilities = characters.next_characters(model, ids, last_word, partial(characters.spellings, self.tokenizer))
        if not probabilities:
            raise ScoreError(f"{self.name} gives the text {text[-60:]!r} a probability of zero: nothing can follow it")
        return probabilities

    # ── Decoder: a language model, or a text-to-text model that is given its source ──

    def log_prob(self, text: str, given: str = "") -> float:
        """log P(text | given) in nats: that of all tokens of `text`, with `given` read before (or as the source).

        They are encoded as `encode_continuation` says.
        """
        if isinstance(self.model, TextToText):
            state, total = self.model.start_after(self._encode(given)), 0.0
            for token in self._encode(text):
                total += float(self.model.next_log_probs(state)[token])
                state = self.model.advance(state, np.array([token]))
            return total
        model = self.require(LanguageModel, "it cannot say how likely one is")
        normalize = self.tokenizer.normalize
        ids, first = self.encode_continuation(normalize(given), normalize(text, given))
        return float(model.log_probs_many([ids], [first])[0].sum())

    def continuations(self, text: str = "", top: int = 10) -> list[tuple[str, float]]:
        """The `top` likeliest tokens after `text` (or of the target of the source `text`), and their probabilities."""
        state, ids = self._read(text, "it cannot continue one")
        log_probs = self.model.next_log_probs(state)
        return likeliest_tokens(self.tokenizer, ids[-1:], log_probs, top)

    def generate(
        self,
        prompt: str = "",
        length: int = 200,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> Iterator[str]:
        """What the model writes after `prompt` (or for the source `prompt`), in pieces, as `length` tokens are drawn.

        The settings are those of `generation.generate`, checked at once; whole characters only.
        """
        state, ids = self._read(prompt, "it cannot write one")
        settings: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        tokens = generation.generate(self.model, np.empty(0, np.int32), length, state=state, **settings)
        return self.text_of(tokens, ids)

    def answer(self, source: str, length: int = 200, **settings: Any) -> str:
        """What a text-to-text model writes for `source`, at most `length` tokens; settings as of `generate`."""
        self.require(TextToText, "it cannot answer one")
        state = self.model.start_after(self._encode(source))
        tokens = generation.generate(self.model, np.empty(0, np.int32), length, state=state, **settings)
        return self.tokenizer.decode(list(takewhile(lambda token: token != self.tokenizer.end, tokens)))

    def text_of(self, tokens: Iterable[int], before: Ids) -> Iterator[str]:
        """The text that `tokens` add after the ids `before`, in pieces of whole characters."""
        return generation.stream(tokens, self.tokenizer.decode, before.tolist())

    def _read(self, text: str, consequence: str) -> tuple[Any, Ids]:
        """The state after `text`, and the ids that precede what comes next (none of a source)."""
        ids = self._encode(text)
        if isinstance(self.model, TextToText):
            return self.model.start_after(ids), ids[:0]
        model = self.require(LanguageModel, consequence)
        return model.advance(model.start(), ids), ids

    def _encode(self, text: str) -> Ids:
        return self.tokenizer.encode(self.tokenizer.normalize(text))

    def up_to_a_part_of_a_word(self, text: str) -> str:
        """`text` normalized but for its last word, which may be only the beginning of one."""
        if self.tokenizer.lossy:
            normal = self.tokenizer.normalize(text)
            return normal[:-1] if text[-1:].isalnum() else normal
        if not self.tokenizer.closed:
            return text
        head, word = re.fullmatch(r"(.*?)(\S*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
        start = self.tokenizer.normalize(head)
        spaced = self.tokenizer.spellings_after(self.tokenizer.end)[0].startswith(b" ")  # before the first word, too
        space = " " if (word and (start or spaced) and (spaced or start[-1:] != "\n")) or head[-1:] == " " else ""
        return start + space + word

    # ── Encoder ──

    def features(self, text: str, layer: int = -1) -> Floats:
        """The vector of each token of `text` in one layer: (T, D)."""
        return self.require(Encoder, "it cannot be probed").features(self._encode(text), layer)


def first_token(ends: Sequence[int], start: int) -> int:
    """The first token that belongs to what follows the text's first `start` characters.

    `ends` says where each token's piece ends, in characters. A character spelled in several tokens stands at the last
    of them, so those before it end where it starts and still belong to it.
    """
    before = ends[: bisect_right(ends, start)]
    return bisect_left(ends, before[-1]) + 1 if before and before[-1] else 0


def likeliest_tokens(tokenizer: Tokenizer, before: Ids, log_probs: Floats, top: int) -> list[tuple[str, float]]:
    """The `top` likeliest tokens of a distribution (V,) in nats, with their probabilities, the likeliest first.

    Each is written as it would stand after the last of `before` (none, or ids); by its name where it is no text alone.
    """
    shown: dict[str, float] = {}
    for token in generation.likeliest(np.asarray(log_probs, np.float64), top).tolist():
        text = tokenizer.pieces([*before[-1:], token])[-1]
        name = text if text and "\ufffd" not in text else tokenizer.token(token)
        name = name if name not in shown else f"{name} (token {token})"  # two tokens may decode to the same text
        shown[name] = float(np.exp(np.float64(log_probs[token])))
    return list(shown.items())
