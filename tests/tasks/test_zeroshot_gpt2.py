"""GPT-2's protocol on a tiny random network, against Hugging Face's logits."""

import numpy as np
import pytest

from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import gpt2
from lmzoo.tasks.zeroshot import Asker, ask
from lmzoo.tasks.zeroshot_items import Item, ZeroShotCard, ZeroShotSet

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.formats.test_gpt2 import TEXT, saved, their_model  # noqa: E402  (it needs transformers)

LAMBADA = ZeroShotCard.of(
    {
        "column": "LAMBADA",
        "files": [],
        "rules": ["greedy", "filtered", "last-token", "perplexity"],
        "cut": "text",
        "choices": ["{last}"],
        "beginning": "{start}",
        "continuation": " {choice}",
        "stop_words": "a an the in",
    }
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The same weights there and here. Output and input embeddings are not tied, or a token would repeat for ever."""
    theirs = their_model(tie_word_embeddings=False)
    ours, _ = gpt2.read(saved(theirs, tmp_path_factory.mktemp("gpt2") / "theirs"))
    return theirs, ours


@torch.no_grad()
def their_rows(model, text):
    """log P of every token before each token of `text`, (T, V), by transformers; and the ids (T,)."""
    ids = TEXT.encode(text).tolist()
    return model(torch.tensor([[TEXT.end, *ids]])).logits[0, :-1].double().log_softmax(-1).numpy(), ids


def passages(model):
    """Short passages. Some go on as transformers' model itself does, so that there is something to find."""
    found = [(start, word) for start in ("the rain", "then he") for word in (" hat", " then", " a", " in the")]
    for last in "abcdefghijklmnopqrstuvwxyz":
        start = f"the rain in {last}"
        next_token = int(their_rows(model, start + " x")[0][len(TEXT.encode(start))].argmax())
        word = TEXT.decode([next_token])
        if word.isascii() and TEXT.encode(start + word).tolist() == [*TEXT.encode(start).tolist(), next_token]:
            found += [(start, word), (start, word + "!")]
    return found


def test_lambada_scores_are_those_of_transformers_logits(models):
    theirs, ours = models
    texts = passages(theirs)
    section = ZeroShotSet("lambada", LAMBADA, [Item((text,), 0) for text in texts], [])
    results = {result.details["rule"]: result.value for result in ask(section, Asker(TextModel(ours, TEXT)))}
    greedy, last, nats = [], [], []
    for start, word in texts:
        rows, ids = their_rows(theirs, start + word)
        first = len(TEXT.encode(start))
        right = rows[first:].argmax(-1) == ids[first:]
        greedy.append(right.all())
        last.append(right[-1])
        nats.append(-sum(rows[t, ids[t]] for t in range(first, len(ids))))
    assert 0 < np.mean(last) < 1  # there is something to find, and to miss
    assert results["greedy"] == np.mean(greedy)
    assert results["last-token"] == np.mean(last)
    assert results["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-4)


def test_a_whole_and_a_partial_score_are_sums_of_transformers_log_probabilities(models):
    theirs, ours = models
    texts = [("", "the hen and the rain"), ("the hen", " and the rain"), ("in the rain", " he ran"), ("", " he")]
    found = Asker(TextModel(ours, TEXT)).scores(texts)
    for beginning, continuation in texts:
        rows, ids = their_rows(theirs, beginning + continuation)
        first = len(TEXT.encode(beginning))
        expected = sum(rows[t, ids[t]] for t in range(first, len(ids)))
        assert found[beginning, continuation].log_prob == pytest.approx(expected, abs=1e-3)
