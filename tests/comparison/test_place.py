"""A report goes to a folder of its own, and never takes the place of another unasked."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lmzoo.comparison import place
from lmzoo.comparison.presets import preset
from lmzoo.data import corpus as corpora
from lmzoo.errors import UsageError

MODELS = ["uniform", "ngram:order=2"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "own.txt"
    path.write_text("the cat sat on the mat\n" * 100, encoding="utf-8")
    return corpora.load(path)


@pytest.fixture
def report(corpus, tmp_path):
    """A folder with the results of MODELS on that corpus, with changes."""

    def write(models=MODELS, name=corpus.name, **changes):
        facts = {"corpus": {"name": name, "sha256": corpus.sha256}, "models": models, **changes}
        (tmp_path / "results.json").write_text(json.dumps(facts), encoding="utf-8")
        return tmp_path

    return write


def test_the_default_models_have_the_folder_of_the_corpus(corpus):
    assert place.default(corpus, (), preset("laptop", "cpu")) == Path("reports/own")
    assert place.default(corpus, (), preset("gpu", "cpu")) == Path("reports/own-gpu")
    sized = replace(corpus, name="storyworld:2MB", paths=None)
    assert place.default(sized, (), preset("laptop", "cpu")) == Path("reports/storyworld-2MB")


@pytest.mark.parametrize(
    ("specs", "name"),
    [
        (MODELS, "own-uniform-ngram-order-2"),
        (["ngram:order=3,smoothing=ml"], "own-ngram-order-3-ml"),
        (["rnn:preset=small,learning_rate=1e-2"], "own-rnn-small-learning_rate-1e-2"),
        (["gpt:width=64,layers=2"] * 4, "own-gpt-width-64-layers-2-gpt-width-64-layers-2-and-2-more"),
    ],
)
def test_models_that_are_named_have_a_folder_of_their_own(corpus, specs, name):
    assert place.default(corpus, specs) == Path("reports") / name


def test_a_file_and_a_run_are_called_by_their_names(corpus, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom lmzoo.interface import LanguageModel\n"
        "@dataclass\nclass Mine(LanguageModel):\n    reach = 0\n    def fit(self, data, run=None): return self\n"
        "    def start(self): return ()\n    def advance(self, state, tokens): return ()\n"
        "    def next_log_probs(self, state): return ()\n"
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "SHA256SUMS").touch()
    found = place.default(corpus, [str(tmp_path / "mine.py"), str(tmp_path / "run")])
    assert found == Path("reports/own-mine-run")


def test_the_same_comparison_may_be_made_again(report, corpus):
    place.refuse_other(report(), corpus, MODELS[::-1])
    place.refuse_other(report(None, preset={"models": MODELS}), corpus, MODELS)  # a report from before


def test_an_empty_folder_is_free(corpus, tmp_path):
    place.refuse_other(tmp_path, corpus, MODELS)
    place.refuse_other(tmp_path / "new", corpus, MODELS)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"models": ["lstm"]}, "has a report on lstm, not on uniform, ngram:order=2: --overwrite"),
        ({"models": ["a", "b", "c", "d", "e"]}, "has a report on a, b, c and 2 more, not on uniform"),
        ({"name": "ptb"}, "has a report on ptb, not on own.txt"),
        ({"corpus": {"name": "own.txt", "sha256": {"valid": "", "test": ""}}}, "another text of the name own.txt"),
        ({"models": None}, "does not say of which models"),
        ({"models": 3}, "is no report of this version"),
        ({"corpus": []}, "is no report of this version"),
    ],
)
def test_another_report_is_refused_in_a_line_that_names_both(report, corpus, there, said):
    with pytest.raises(UsageError, match="--overwrite replaces it, another --out leaves it") as caught:
        place.refuse_other(report(**there), corpus, MODELS)
    assert said in str(caught.value)
