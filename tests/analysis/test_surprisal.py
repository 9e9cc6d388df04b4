"""One passage as a model reads it: its bits are the ruler's, its alternatives the model's, its words add up."""

from typing import Any, ClassVar

import numpy as np
import pytest

from lmzoo.analysis import surprisal
from lmzoo.data import tokenizers
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, LanguageModel
from lmzoo.models.cache import Cache
from lmzoo.models.ngram import Ngram

TEXT = "the cat sat on the mat\nand the dogs sat on the log\nbecause the cat did not like the dog\n" * 8
SPECS = ["byte", "char", "word:12", "bpe:290", "split"]


def trained(spec: str, text: str = TEXT, lines: bool = False, model: LanguageModel | None = None):
    made = tokenizers.train(spec, text, lines)
    ids = made.encode(text)
    return (model or Ngram(order=3)).fit(Data.of(ids, ids, made.vocab_size)), made


def read(spec: str, protocol: str = "stream", text: str = TEXT, model: LanguageModel | None = None, **how: Any):
    model, made = trained(spec, text, lines=spec == "split", model=model)
    score = evaluate(TextModel(model, made), text, protocol)
    return surprisal.facts_of(TextModel(model, made), score, **how), score, model, made


# Pieces


@pytest.mark.parametrize("protocol", ["stream", "lines"])
@pytest.mark.parametrize("spec", SPECS)
def test_the_bits_are_those_that_were_scored(spec, protocol):
    facts, score, *_ = read(spec, protocol, characters=10_000)
    assert sum(piece["bits"] for piece in facts["pieces"]) == pytest.approx(score.bits, rel=1e-12)
    assert "".join(piece["text"] for piece in facts["pieces"]) == TEXT


@pytest.mark.parametrize("protocol", ["stream", "lines"])
@pytest.mark.parametrize("spec", SPECS)
def test_a_token_among_the_likeliest_has_the_probability_that_was_scored(spec, protocol):
    """So the distributions are those of the ruler's contexts: fresh at every line where lines are alone."""
    facts, *_ = read(spec, protocol)
    found = [(p["likeliest"][p["text"]], p["bits"]) for p in facts["pieces"] if p["text"] in p["likeliest"]]
    assert len(found) > len(facts["pieces"]) // 2
    for probability, bits in found:
        assert probability == pytest.approx(2**-bits, rel=1e-3)


def test_the_likeliest_are_the_models_own_in_order():
    facts, score, model, made = read("word:12")
    for t, piece in enumerate(facts["pieces"]):
        probs = np.exp(model.next_log_probs(model.advance(model.start(), score.ids[:t])))
        expected = np.argsort(-probs, kind="stable")[: surprisal.LIKELIEST]
        assert list(piece["likeliest"].values()) == pytest.approx(probs[expected], rel=1e-3)
        names = [made.decode([token]) if token < 128 or token > 255 else made.token(token) for token in expected]
        assert list(piece["likeliest"]) == [name or "<end>" for name in names]


def test_a_line_that_is_read_alone_owes_nothing_to_those_before():
    changed = "zzz zzz zzz zzz\n" + TEXT
    model, made = trained("char", changed)
    alone, behind = (
        surprisal.facts_of(
            TextModel(model, made), evaluate(TextModel(model, made), text, "lines"), characters=len(text)
        )
        for text in (TEXT, changed)
    )
    assert alone["pieces"] == behind["pieces"][-len(TEXT) :]


def test_a_model_that_adapts_reads_on_over_the_ends_of_lines():
    as_lines, as_stream = (read("word:12", protocol, model=Cache())[0] for protocol in ("lines", "stream"))
    assert as_lines == as_stream


@pytest.mark.parametrize("spec", SPECS)
def test_the_passage_is_the_beginning_up_to_a_whole_word(spec):
    facts, *_ = read(spec, characters=20)
    assert "".join(piece["text"] for piece in facts["pieces"]) == "the cat sat on the"


@pytest.mark.parametrize("text", ["abc", "a", "caf\u00e9", "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0", "\n", " "])
@pytest.mark.parametrize("characters", [1, 2, 700])
def test_short_and_foreign_texts_have_a_passage_too(text, characters):
    model, made = trained("byte")
    facts = surprisal.facts_of(TextModel(model, made), evaluate(TextModel(model, made), text), characters=characters)
    shown = "".join(piece["text"] for piece in facts["pieces"])
    assert shown == text[:characters]
    assert "".join(word["text"] for word in facts["words"]) == shown


# Words


@pytest.mark.parametrize("protocol", ["stream", "lines"])
@pytest.mark.parametrize("spec", SPECS)
def test_words_are_the_passage_cut_before_white_space(spec, protocol):
    facts, *_ = read(spec, protocol)
    assert [word["text"].split() for word in facts["words"]] == [
        [word] for word in "".join(piece["text"] for piece in facts["pieces"]).split()
    ]
    assert sum(word["pieces"] for word in facts["words"]) == len(facts["pieces"])


@pytest.mark.parametrize("spec", ["byte", "char", "word:12", "bpe:290"])
def test_words_have_the_bits_of_their_tokens_but_for_the_end_of_the_last(spec):
    facts, score, model, made = read(spec, characters=10_000)
    last = facts["words"][-1]  # the line end behind the last word is not the beginning of another
    assert last["text"].isspace()
    assert sum(word["bits"] for word in facts["words"]) == pytest.approx(score.bits)
    facts, score, model, made = read(spec, characters=20)
    shown = len(facts["pieces"])
    probs = np.exp(model.next_log_probs(model.advance(model.start(), score.ids[:shown])))
    ends = [t for t in range(made.vocab_size) if t == made.end or made.decode([t])[0] in surprisal.BLANKS]
    expected = score.token_bits[:shown].sum() - np.log2(probs[ends].sum())
    assert sum(word["bits"] for word in facts["words"]) == pytest.approx(expected)


def test_a_closed_vocabulary_of_whole_words_needs_no_correction():
    facts, *_ = read("split")
    start = 0
    for word in facts["words"]:
        bits = sum(piece["bits"] for piece in facts["pieces"][start : start + word["pieces"]])
        assert word["bits"] == pytest.approx(bits, abs=1e-5)
        start += word["pieces"]


LETTERS = tokenizers.Bpe("bpe:259", ["\u0120 a", "\u0120 b"], lines=False)  # its tokens: bytes, ␣a, ␣b


class Toy(LanguageModel):
    """P(next token | the last one): ␣a or ␣b begins a word, one b more may make it longer, and nothing else."""

    name: ClassVar[str] = "toy"
    reach: ClassVar[int] = 1
    first: ClassVar = {" a": 0.4, " b": 0.3, "b": 0.3}
    second: ClassVar = {" a": 0.75, " b": 0.25}

    def __init__(self, made: tokenizers.Tokenizer):
        self.made, self.vocab_size_ = made, made.vocab_size

    def fit(self, *_: Any) -> Any:
        return self

    def start(self) -> Any:
        return self.made.end

    def advance(self, state: Any, tokens: Any) -> Any:
        return int(tokens[-1]) if len(tokens) else state

    def next_log_probs(self, state: Any) -> Any:
        probs = np.zeros(self.vocab_size_)
        follows = self.second if state == ord("b") else self.first
        probs[[int(self.made.encode(text)[0]) for text in follows]] = list(follows.values())
        with np.errstate(divide="ignore"):
            return np.log(probs)


@pytest.mark.parametrize("past", [" a", " a b", " b ab"])
def test_corrected_words_sum_to_one_where_their_tokens_do_not(past):
    toy = Toy(LETTERS)
    corrected, uncorrected = [], []
    for word in (" a", " b", " ab", " bb"):
        score = evaluate(TextModel(toy, LETTERS), past + word + " a")
        facts = surprisal.facts_of(TextModel(toy, LETTERS), score)
        found = facts["words"][-2]
        assert found["text"] == word
        corrected.append(2.0 ** -found["bits"])
        bits = [piece["bits"] for piece in facts["pieces"]][:-1][-found["pieces"] :]
        uncorrected.append(2.0 ** -sum(bits))
    assert sum(corrected) == pytest.approx(1)
    assert abs(sum(uncorrected) - 1) > 0.05


def test_a_word_pays_for_its_own_end_and_not_for_that_of_the_word_before():
    toy = Toy(LETTERS)
    facts = surprisal.facts_of(TextModel(toy, LETTERS), evaluate(TextModel(toy, LETTERS), " a ab a"))
    first, second, last = (2.0 ** -word["bits"] for word in facts["words"])
    assert first == pytest.approx(0.4 * 0.7)  # ␣a, and then no b
    assert second == pytest.approx(0.4 * 0.3 * 1.0 / 0.7)  # ␣a and b, behind which a word always ends
    assert last == pytest.approx(0.75)  # nothing says whether it is complete
