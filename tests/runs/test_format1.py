"""Runs that the first version of lmzoo saved, in tests/runs/format1/, are read and score as they did then.

Each is trained on 2,549 characters of storyworld with seed 7; the scores are those of the version that saved it.
"""

from pathlib import Path

import pytest

import lmzoo
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.runs import store

FOLDER = Path(__file__).parent / "format1"
TEXT = "the old farmer saw the dog .\nevery child that the queen likes sings, naïvely.\n"
BITS = {
    "ngram": {"stream": 301.77493556342006, "lines": 301.9409954946281},  # of order 2, word:40
    "lstm": {"stream": 594.9286253952008, "lines": 595.3844041854891},  # 8 cells, char
    "gpt": {"stream": 421.8036334326232, "lines": 421.7416316231953},  # 1 layer of width 16, bpe:270
}
TODAY = {"ngram": "ngram", "lstm": "lstm", "gpt": "speedrun"}  # what each of the models is called today


@pytest.mark.parametrize("protocol", ["stream", "lines"])
@pytest.mark.parametrize("name", BITS)
def test_a_run_of_format_1_scores_as_when_it_was_saved(name, protocol):
    text_model = lmzoo.load(FOLDER / name)
    text_model.model.to("cpu")
    assert text_model.name == TODAY[name]
    # Counts score the same to the last digit; matrix products of other processors differ in the last digits.
    expected = BITS[name][protocol] if name == "ngram" else pytest.approx(BITS[name][protocol], rel=1e-5)
    assert evaluate(text_model, TEXT, protocol).bits == expected


@pytest.mark.parametrize("name", BITS)
def test_its_provenance_and_learning_curve_are_there(name):
    assert store.read_provenance(FOLDER / name)["seed"] == 7
    assert (FOLDER / name / store.METRICS).is_file() == (name != "ngram")
