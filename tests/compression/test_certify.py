"""A model's certified bits as one row of a comparison has them; the command is in test_codec_command."""

import pytest

from lmzoo.compression import certify, codec
from lmzoo.compression.certify import sample_of
from lmzoo.data import tokenizers
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.runs import store

TEXT = "the cat sat on the mat and the dög sat on the log because the cat did not like the dög\n" * 20
TOKENIZER = tokenizers.train("char", TEXT)
IDS = TOKENIZER.encode(TEXT)


def fitted(**settings):
    return Ngram(**settings).fit(Data.of(IDS, IDS, TOKENIZER.vocab_size))


@pytest.fixture
def run(tmp_path):
    """The folder of a run, and its model and tokenizer."""
    model = fitted(order=3)
    store.save(TextModel(model, TOKENIZER), tmp_path / "run")
    return tmp_path / "run", TextModel(model, TOKENIZER)


@pytest.fixture
def here(monkeypatch):
    """Decompressing in this process, where another would take longer and show no more."""

    def decompressed(run, file, code):
        return codec.decompress(store.load(run, code), file), 0.0

    monkeypatch.setattr(certify, "_elsewhere", decompressed)


def test_the_bits_of_a_file_that_a_fresh_process_turned_back_stand_beside_the_evaluators(run):
    found = sample_of(*run, TEXT, characters=500)
    assert set(found) == {"bits_per_character", "evaluator_bits_per_character", "characters", "seconds"}
    file = codec.compress(run[1], TEXT[:500].encode())
    assert found["bits_per_character"] == codec.payload_bits(file) / 500
    assert found["evaluator_bits_per_character"] == evaluate(run[1], TEXT[:500]).bits / 500
    assert 0 < found["bits_per_character"] - found["evaluator_bits_per_character"] <= 64 / 500 + 1e-3
    assert (found["characters"], found["seconds"] > 0) == (500, True)


@pytest.mark.usefixtures("here")
def test_of_lines_only_whole_ones_are_taken_and_of_a_short_text_all(run):
    line = TEXT.index("\n") + 1
    assert sample_of(*run, TEXT, 2 * line + 5, protocol="lines")["characters"] == 2 * line
    assert sample_of(*run, "the cat")["characters"] == 7


@pytest.mark.usefixtures("here")
def test_a_failure_is_reported_in_the_row(run, tmp_path):
    folder, (model, made) = run
    assert sample_of(folder, TextModel(model, made), "") == {"error": "there is no text to compress"}
    impossible = fitted(order=3, smoothing="ml")
    assert "probability of zero" in sample_of(folder, TextModel(impossible, made), "zzz")["error"]
    assert "no run at" in sample_of(tmp_path / "gone", TextModel(model, made), "the")["error"]
    assert "with another model" in sample_of(folder, TextModel(fitted(order=2), made), "the")["error"]


def test_another_text_that_comes_back_is_no_certificate(run, monkeypatch):
    monkeypatch.setattr(certify, "_elsewhere", lambda run, file, code: (b"the hat", 0.0))
    assert sample_of(*run, "the cat") == {"error": "another text came back: it differs from byte 4 on"}


@pytest.mark.usefixtures("here")
def test_a_file_that_is_new_to_the_run_is_certified_whole_as_the_evaluator_scores_it(run, tmp_path):
    new = tmp_path / "new.txt"
    new.write_text("the dög sat on the cat\n" * 20, encoding="utf-8")
    certificate = certify.certify(run[0], str(new))
    assert (certificate.split, certificate.characters) == ("all", 20 * len("the dög sat on the cat\n"))
    assert certify.certify(run[0], str(new), "test").characters < certificate.characters / 10
