"""N-best lists: how they are made from a corpus, and how they are read from files."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data import corpus
from lmzoo.errors import FormatError, UsageError
from lmzoo.tasks import nbest, rescoring
from lmzoo.tasks.nbest import Candidate, NBest

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
LISTS = st.builds(
    NBest,
    reference=TEXT.filter(str.strip),
    candidates=st.lists(st.builds(Candidate, TEXT, st.floats(-1e6, 0)), min_size=1, max_size=3).map(tuple),
    before=TEXT,
    after=TEXT,
)


# ── From a corpus ─────────────────────────────────────────────────────────────────────────────────


def test_lists_are_sentences_of_the_test_text_with_the_text_in_front(lists, own):
    for one in lists:
        assert one.before + one.reference in " ".join(own.test.split())
        assert 5 <= len(one.reference.split()) <= 40
        assert len(one.before.split()) <= nbest.CONTEXT
        assert one.after == ""
    assert any(one.before for one in lists)
    assert len({one.before + one.reference for one in lists}) == 50


def test_candidates_are_distinct_the_likeliest_first_and_no_more_than_asked_for(lists):
    for one in lists:
        scores, texts = zip(*((c.score, c.text) for c in one.candidates), strict=True)
        assert list(scores) == sorted(scores, reverse=True)
        assert len(set(texts)) == len(texts) <= 20
    assert np.median([len(one.candidates) for one in lists]) == 20


def test_most_lists_contain_their_reference(lists):
    assert 0.5 < np.mean([one.has_reference for one in lists]) < 1
    for one in lists:
        errors = [rescoring.word_errors(one.reference, c.text) for c in one.candidates]
        assert one.has_reference == (min(errors) == 0)


def test_lists_depend_on_the_seed_alone(own):
    one, same, other = (nbest.make(own, 20, 5, seed=seed) for seed in (3, 3, 4))
    assert one == same != other


def test_in_a_corpus_of_lines_a_list_ends_with_its_line(tmp_path):
    text = corpus.load(_written(tmp_path, "\n\n".join(["a cat sat on the mat", "the dog saw a log"] * 300)))
    lines = corpus.Corpus(**{**vars(text), "lines": True})
    assert {one.after for one in nbest.make(lines, 20, 5)} == {"\n"}


def test_at_most_25_words_in_front_are_read_too(tmp_path):
    paragraph = " ".join(["a cat sat on the mat."] * 9)
    lists = nbest.make(corpus.load(_written(tmp_path, f"{paragraph}\n\n" * 100)), 40, 5)
    assert max(len(one.before.split()) for one in lists) == 25


def test_sentences_with_a_word_that_is_rare_in_training_are_not_drawn(tmp_path):
    text = corpus.load(_written(tmp_path, "the cat sat on the mat.\n\n" * 300))
    parts = {"train": text.train + "a zebra saw a zebra. a dog ran. a dog sat. a dog lay.", "test": text.test}
    parts["test"] += "the zebra sat on the mat.\n\n" * 30 + "the dog sat on the mat.\n\n" * 30
    drawn = {one.reference for one in nbest.make(corpus.Corpus(**{**vars(text), **parts}), 60, 5)}
    assert drawn == {"the cat sat on the mat.", "the dog sat on the mat."}


def test_a_corpus_without_sentences_is_refused(tmp_path):
    short = corpus.load(_written(tmp_path, "one two three.\n\n" * 500))
    with pytest.raises(UsageError, match=r"own.txt has 0 sentences of 5 to 40 known words .* 20 or more"):
        nbest.make(short)


def _written(folder, text):
    (folder / "own.txt").write_text(text)
    return folder / "own.txt"


# ── In files ──────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(LISTS, min_size=1, max_size=4))
def test_lists_are_read_as_they_were_written(lists):
    assert nbest.read(nbest.to_json_lines(lists)) == lists
    assert nbest.read(nbest.to_json_lines(lists, [{"log_probs": {"x": [1.0]}}] * len(lists))) == lists


def test_a_file_needs_only_references_texts_and_scores():
    line = {"reference": "a cat", "candidates": [{"text": "a cat", "score": -1, "acoustic": 7}], "id": "u1"}
    assert nbest.read("\n" + json.dumps(line) + "\n") == [NBest("a cat", (Candidate("a cat", -1.0),))]


GOOD = {"reference": "a cat", "candidates": [{"text": "a cat", "score": -1.5}]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("{", "mine, line 2 is not JSON"),
        ("[1]", "mine, line 2: expected object, got array"),
        (GOOD | {"reference": None}, "mine, line 2: expected str, got null in reference"),
        (GOOD | {"reference": " "}, "mine, line 2: the reference has no words"),
        ({"candidates": GOOD["candidates"]}, "mine, line 2: lacks the field reference"),
        (GOOD | {"before": 3}, "mine, line 2: expected str, got int in before"),
        ({"reference": "a"}, "mine, line 2: lacks the field candidates"),
        (GOOD | {"candidates": []}, "mine, line 2: there must be one candidate or more"),
        (GOOD | {"candidates": ["a"]}, r"mine, line 2: expected object, got str in candidates\[0\]"),
        (GOOD | {"candidates": [{"text": "a"}]}, r"line 2: lacks the field score in candidates\[0\]"),
        (
            GOOD | {"candidates": [{"text": "a", "score": "-1"}]},
            r"line 2: expected float, got str in candidates\[0\].score",
        ),
        (
            GOOD | {"candidates": [*GOOD["candidates"], {"text": "a", "score": float("nan")}]},
            "line 2 is not JSON: NaN is no finite number",
        ),
        (
            GOOD | {"candidates": [{"text": "a", "score": True}]},
            r"line 2: expected float, got bool in candidates\[0\].score",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(wrong, message):
    text = json.dumps(GOOD) + "\n" + (wrong if isinstance(wrong, str) else json.dumps(wrong))
    with pytest.raises(FormatError, match=message) as caught:
        nbest.read(text, "mine")
    assert "\n" not in str(caught.value)


def test_an_empty_a_binary_and_a_missing_file_are_refused(tmp_path):
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "binary").write_bytes(b"\xff\x00\xfe")
    with pytest.raises(FormatError, match="empty has no n-best lists: it must have one on each line"):
        nbest.load(tmp_path / "empty")
    with pytest.raises(FormatError, match="binary is binary data of an unknown kind, not n-best lists"):
        nbest.load(tmp_path / "binary")
    with pytest.raises(UsageError, match=r"no n-best lists at .*nowhere.*: No such file"):
        nbest.load(tmp_path / "nowhere")
