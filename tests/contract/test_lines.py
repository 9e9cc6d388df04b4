"""Whatever can be scored line by line can be trained so, every language model of the registry: `train --lines`."""

import random
from functools import cache

import numpy as np
import pytest

from lmzoo.data.corpus import load
from lmzoo.data.split import lines_of
from lmzoo.evaluation.perplexity import evaluate, parts_of
from lmzoo.interface import LanguageModel, Run
from lmzoo.runs import train as training
from tests.contract.test_registry import registered, small

# GloVe's preset for a first try learns too little in its five epochs to show anything.
MORE = {"glove": {"dimensions": 20, "epochs": 100}}


def names(count, seed):
    """Names as of a place: a capital, then syllables, and no name has anything to do with the one before it."""
    rng = random.Random(seed)
    syllables = lambda: "".join(rng.choice("aeiou") + rng.choice("lnrst") for _ in range(rng.randint(1, 3)))  # noqa: E731
    return "".join(rng.choice("BDKMNRST") + syllables() + rng.choice(["a", "o", ""]) + "\n" for _ in range(count))


@cache
def fitted(name, lines, folder):
    """The model trained on names, as lines or as a stream; its provenance; and names that it has not read."""
    corpus = load(folder / "names.txt", lines=lines)
    text = training.encode(corpus, "char", Run())
    settings = {key: str(value) for key, value in (MORE.get(name) or small(name)).items()}
    return training.fit(name, settings, text, Run(steps=50, seed=1)), corpus


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("names")
    (place / "names.txt").write_text(names(500, seed=0))
    return place


@pytest.mark.parametrize("name", registered(LanguageModel))
def test_a_model_of_lines_scores_each_alone_and_no_worse_than_one_of_a_stream(name, folder):
    (alone, corpus), (stream, _) = fitted(name, True, folder), fitted(name, False, folder)
    assert (alone.provenance["lines"], alone.provenance["protocol"]) == (True, "lines")
    assert (stream.provenance["lines"], stream.provenance["protocol"]) == (False, "stream")
    bits = [evaluate(fit.text_model, corpus.test, "lines").bits for fit in (alone, stream)]
    assert bits[0] <= bits[1]
    if alone.model.adapts:  # it learns from the lines before, and its figures are marked so
        return
    lines = lines_of(corpus.test)
    order = np.random.default_rng(0).permutation(len(lines))
    one, other = (bits_of_lines(alone.text_model, texts) for texts in (lines, [lines[n] for n in order]))
    np.testing.assert_allclose(other, one[order], rtol=1e-5)


def bits_of_lines(text_model, lines):
    """The bits of each line in the score of them all."""
    score = evaluate(text_model, "".join(lines), "lines")
    lengths = [len(part) for part in parts_of(text_model.tokenizer, "".join(lines), "lines")]
    assert len(lengths) == len(lines)
    assert sum(lengths) == score.tokens
    return np.add.reduceat(score.token_bits, np.cumsum([0, *lengths[:-1]]))


@pytest.mark.parametrize("name", registered(LanguageModel))
def test_a_line_ends_with_the_symbol_that_training_ended_it_with(name, folder):
    """Every line that is scored ends with `end`, and a model of lines has seen it: it is no rare token."""
    alone, corpus = fitted(name, True, folder)
    tokenizer = alone.text_model.tokenizer
    parts = parts_of(tokenizer, corpus.test, "lines")
    assert all(part[-1] == tokenizer.end and tokenizer.end not in part[:-1] for part in parts)
    if name != "uniform":
        ends = [log_probs[-1] for log_probs in alone.model.log_probs_many(parts)]
        assert np.mean(ends) > -np.log(tokenizer.vocab_size) + 1
