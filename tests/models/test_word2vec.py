"""word2vec beside gensim's own, and what is ours around it: ids, sentences, errors."""

import logging
import signal
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from lmzoo import testing
from lmzoo.data import tokenizers
from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.interface import Data, Progress, Run
from lmzoo.models.word2vec import LONGEST_SENTENCE, Sentences, Word2Vec

NONE = np.zeros(0, dtype=np.int32)


def gensim():
    return pytest.importorskip("gensim.models", reason="word2vec is trained by gensim, which is not installed")


@pytest.fixture
def text():
    """600 lines by Zipf's law, each about one of three themes of 20 words; some are empty, and two words are rare."""
    rng = np.random.default_rng(7)
    lines = []
    for _ in range(600):
        theme = rng.integers(3)
        words = np.minimum(rng.zipf(1.3, rng.integers(0, 15)), 20) + 20 * theme
        lines.append(" ".join(f"w{word}" for word in words))
    return "\n".join([*lines, "rare w1 rarer w2 rare"]) + "\n"


def trained(text, run=None, **settings):
    gensim()
    words = tokenizers.train("split", text)
    ids = words.encode(text)
    return Word2Vec(**settings).fit(Data.of(ids, ids[:500], words.vocab_size), run or Run(seed=3)), words


@pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])
@pytest.mark.parametrize("output", ["negative-sampling", "hierarchical-softmax"])
@pytest.mark.parametrize("cbow_mean", [True, False])
def test_vectors_are_gensims_own_to_the_bit(tmp_path, text, architecture, output, cbow_mean):
    models = gensim()
    file = tmp_path / "text"
    file.write_text(text)
    negative = 4 if output == "negative-sampling" else 0
    theirs = models.Word2Vec(
        models.word2vec.LineSentence(str(file)), vector_size=12, window=3, sg=int(architecture == "skip-gram"),
        hs=int(not negative), negative=negative, ns_exponent=0.6, sample=0.01, min_count=3, epochs=2, alpha=0.05,
        min_alpha=0.001, cbow_mean=int(cbow_mean), seed=3, workers=1,
    )  # fmt: skip
    ours, words = trained(
        text, dimensions=12, window=3, architecture=architecture, output=output, negative=4, noise_exponent=0.6,
        subsample=0.01, min_count=3, epochs=2, learning_rate=0.05, min_learning_rate=0.001, cbow_mean=cbow_mean,
    )  # fmt: skip
    left, right = ours.factors()
    assert len(theirs.wv) > 20
    for word in theirs.wv.index_to_key:
        i = int(words.encode(word)[0])
        row = theirs.wv.get_index(word)
        assert np.array_equal(ours.vectors()[i], theirs.wv[word])
        assert np.array_equal(right[i], theirs.wv[word])
        assert np.array_equal(left[i], theirs.syn1neg[row] if negative else theirs.wv[word])
    known = words.encode(" ".join(theirs.wv.index_to_key))
    unknown = np.setdiff1d(np.arange(words.vocab_size), known)
    assert set(unknown.tolist()) >= {*words.encode("rare rarer").tolist(), words.end}
    assert not ours.vectors()[unknown].any()


def test_defaults_are_gensims_but_for_skip_gram_and_one_worker(tmp_path, text):
    models = gensim()
    file = tmp_path / "text"
    file.write_text(text)
    theirs = models.Word2Vec(corpus_file=None, sentences=models.word2vec.LineSentence(str(file)), sg=1, workers=1)
    ours, words = trained(text, Run(seed=1))
    assert all(np.array_equal(ours.vectors()[words.encode(w)[0]], theirs.wv[w]) for w in theirs.wv.index_to_key)


def test_long_lines_are_cut_where_gensim_cuts_them(tmp_path, text):
    models = gensim()
    one_line = " ".join(text.split() * 4) + "\n"
    assert len(one_line.split()) > LONGEST_SENTENCE
    file = tmp_path / "text"
    file.write_text(one_line)
    theirs = models.Word2Vec(models.word2vec.LineSentence(str(file)), vector_size=4, sg=1, epochs=1, workers=1, seed=3)
    ours, words = trained(one_line, dimensions=4, epochs=1)
    assert all(np.array_equal(ours.vectors()[words.encode(w)[0]], theirs.wv[w]) for w in theirs.wv.index_to_key)


def test_sentences_are_what_stands_between_ends():
    end = 9
    ids = np.array([9, 1, 2, 9, 9, 3, 9, *[4] * (2 * LONGEST_SENTENCE + 1)])
    found = list(Sentences(ids, end))
    assert found[:2] == [["1", "2"], ["3"]]
    assert [len(sentence) for sentence in found[2:]] == [LONGEST_SENTENCE, LONGEST_SENTENCE, 1]
    assert Sentences(ids, end).counts == {"1": 1, "2": 1, "3": 1, "4": 2 * LONGEST_SENTENCE + 1}
    assert len(Sentences(ids, end)) == 5
    assert list(Sentences(NONE, end)) == list(Sentences(ids[3:5], end)) == []


def test_words_of_one_theme_are_near_each_other(text):
    gensim()
    model, words = trained(text, dimensions=10, epochs=30, min_count=20)
    known = [w for w in dict.fromkeys(text.split()) if model.vectors()[words.encode(w)[0]].any()]
    unit = model.vectors()[words.encode(" ".join(known))]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    theme = np.array([(int(word[1:]) - 1) // 20 for word in known])
    same = theme[:, None] == theme
    alike = unit @ unit.T
    assert alike[same].mean() > alike[~same].mean() + 0.3


@pytest.mark.parametrize("output", ["negative-sampling", "hierarchical-softmax"])
def test_predicts_better_than_the_unigram_and_comes_back_from_its_arrays(text, output):
    gensim()
    model, words = trained(text, dimensions=10, epochs=10, output=output, min_count=1)
    ids = words.encode(text)
    unigram = np.bincount(ids) + 1
    assert model.log_probs(ids)[0].mean() > np.log(unigram / unigram.sum())[ids].mean() + 0.1
    again = Word2Vec(**model.config()).restore(model.arrays())
    assert ("outputs" in model.arrays()) == (output == "negative-sampling")
    assert np.array_equal(again.log_probs(ids[:99])[0], model.log_probs(ids[:99])[0])


def test_fitting_anew_forgets_the_output_vectors(text):
    gensim()
    model, words = trained(text, dimensions=4, epochs=1)
    model.output = "hierarchical-softmax"
    ids = words.encode(text)
    model.fit(Data.of(ids, ids[:99], words.vocab_size))
    left, right = model.factors()
    assert left is right


def test_damaged_arrays_are_refused(text):
    gensim()
    model, _ = trained(text, dimensions=4, epochs=1)
    for key in ("words", "outputs"):
        bad = model.arrays()[key].copy()
        bad[0, 0] = np.nan
        for damaged in (bad, bad[:, :3]):
            with pytest.raises(FormatError, match="this run is damaged"):
                Word2Vec(**model.config()).restore({**model.arrays(), key: damaged})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"architecture": "skipgram"}, "no architecture 'skipgram'; did you mean skip-gram?; there are: skip-gram, "),
        ({"output": "softmax"}, "no output 'softmax'; did you mean hierarchical-softmax?"),
        ({"window": 0}, "window must be 1 or more, not 0"),
        ({"min_count": 0}, "min-count must be 1 or more, not 0"),
        ({"negative": 0}, "negative must be 1 or more, not 0"),
        ({"subsample": 1.0}, "subsample must be 0 or a share of the text below 1, as 1e-3, not 1.0"),
        ({"learning_rate": 1e-5}, "not from 1e-05 to 0.0001"),
        ({"learning_rate": float("nan")}, "not from nan to 0.0001"),
        ({"noise_exponent": float("inf")}, "noise-exponent must be finite, not inf"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused_at_once(settings, says):
    with pytest.raises(UsageError) as error:
        Word2Vec(**settings)
    assert says in str(error.value)


def test_a_text_with_nothing_to_learn_is_refused(text):
    with pytest.raises(UsageError, match=r"of 2 different words 1 are in these 9 tokens often enough \(min-count 5\)"):
        Word2Vec().fit(Data.of(np.array([0, 1, 0, 1, 0, 1, 0, 1, 0]), NONE, 3))
    with pytest.raises(UsageError, match=r"of 0 different words 0 are"):
        Word2Vec().fit(Data.of(NONE, NONE, 3))
    with pytest.raises(UsageError, match="window must be at most the text's length, 4 words, not 9"):
        Word2Vec(window=9, min_count=1).fit(Data.of(np.array([0, 1, 0, 1]), NONE, 3))


def test_vectors_that_explode_are_an_error(text, monkeypatch):
    gensim()
    monkeypatch.setattr("lmzoo.models.word2vec._train", lambda model, *_: model.wv.vectors.fill(np.inf))
    with pytest.raises(LmzooError, match=r"vectors are not finite: try --learning-rate 0.01 \(it is 0.03\)"):
        trained(text, learning_rate=0.03)


def test_without_gensim_it_says_what_to_install(text, monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    words = tokenizers.train("split", text)
    with pytest.raises(UsageError, match="word2vec needs gensim, which is not installed: pip install gensim"):
        Word2Vec().fit(Data.of(words.encode(text), NONE, words.vocab_size))


def test_without_gensim_what_was_trained_can_be_used(text, monkeypatch):
    model, words = trained(text, **Word2Vec.PRESETS["tiny"])
    monkeypatch.setitem(sys.modules, "gensim", None)
    again = Word2Vec(**model.config()).restore(model.arrays())
    again.warm_up()
    assert len(again.log_probs(words.encode(text)[:50])[0]) == 50


def test_gensim_is_not_heard(text, capfd):
    gensim()
    logging.getLogger("gensim").setLevel(logging.DEBUG)
    try:
        trained(text, dimensions=4, epochs=1)
    finally:
        logging.getLogger("gensim").setLevel(logging.NOTSET)
    assert capfd.readouterr() == ("", "")


class Recorder(Progress):
    def __init__(self):
        self.done = {}

    @contextmanager
    def task(self, name, total=None):
        self.name, self.done[name] = name, [0, total]
        yield self

    def advance(self, amount=1, note=""):
        self.done[self.name][0] += amount


def test_progress_is_counted_in_words_of_all_epochs(text):
    gensim()
    bars = Recorder()
    trained(text, Run(progress=bars), dimensions=4, epochs=3)
    assert bars.done["training word2vec"] == [3 * len(text.split())] * 2


def test_ctrl_c_stops_the_training():
    gensim()
    text = np.tile(testing.practice_text(2000), 100)

    class Interrupting(Recorder):
        def advance(self, amount=1, note=""):
            super().advance(amount)
            signal.raise_signal(signal.SIGINT)

    bars = Interrupting()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            Word2Vec(epochs=50).fit(Data.of(text, NONE, testing.VOCAB_SIZE), Run(progress=bars))
    finally:
        signal.signal(signal.SIGINT, before)
    assert bars.done["training word2vec"][0] < len(text) * 50
