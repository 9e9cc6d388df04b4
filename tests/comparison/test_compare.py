"""Side by side: one row a contestant, whatever becomes of it, and one report."""

import json

import pytest

from lmzoo.comparison import compare
from lmzoo.data import cards, tokenizers
from lmzoo.data import corpus as corpora
from lmzoo.data.grammar import Grammar
from lmzoo.errors import UsageError
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Run
from lmzoo.models.ngram import Ngram
from lmzoo.progress import Progress
from lmzoo.report import page as report
from lmzoo.report.sections.orders import ORDERS
from lmzoo.runs import store
from tests.comparisons import compared, made

pytestmark = pytest.mark.usefixtures("few_questions")

STUDENT = """
from dataclasses import dataclass
import numpy as np
from lmzoo.interface import LanguageModel

@dataclass
class Unigram(LanguageModel):
    add: float = 1.0  # to every count
    reach = 0
    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        counts = np.bincount(data.train, minlength=data.vocab_size) + self.add
        self.table_ = np.log(counts / counts.sum())
        return self
    def start(self): return ()
    def advance(self, state, tokens): return ()
    def next_log_probs(self, state): return self.table_
"""
FAILS = STUDENT.replace("return self\n", "raise ZeroDivisionError('homework is hard')\n", 1)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A corpus of one's own: 500 kB of the built-in grammar."""
    path = tmp_path_factory.mktemp("corpus") / "small.txt"
    grammar = Grammar.load(cards.folder() / "storyworld.grammar.toml")
    path.write_text("".join(grammar.generate(500_000, "small")), encoding="utf-8")
    return corpora.load(path)


@pytest.fixture(scope="module")
def outcome(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "small"
    (folder.parent / "unigram.py").write_text(STUDENT, encoding="utf-8")
    (folder.parent / "fails.py").write_text(FAILS, encoding="utf-8")
    chars = tokenizers.train("char", small.train)
    model = Ngram(order=4).fit(Data.of(chars.encode(small.train), chars.encode(small.valid), chars.vocab_size))
    run = store.save(TextModel(model, chars), folder.parent / "my-run", {"corpus": "small", "training_seconds": 1.5})
    contestants = [
        "uniform", "ngram:order=2", "ngram:order=3,smoothing=ml", "ngram:order=4", str(run),
        f"{folder.parent / 'unigram.py'}:add=0.5", str(folder.parent / "fails.py"),
    ]  # fmt: skip
    return compared(contestants, small, folder, Run(seed=1), "char"), folder


class Shown(Progress):
    """What stands beside the bar."""

    note = ""

    def advance(self, amount=1, note=""):
        self.note = note or self.note


def test_the_bar_names_the_model_at_work(small, tmp_path, monkeypatch):
    shown, during, enter = Shown(), [], compare.enter
    monkeypatch.setattr(compare, "enter", lambda spec, *rest: during.append((spec, shown.note)) or enter(spec, *rest))
    specs = ["uniform", "ngram:order=1"]
    compare.compare(specs, small, tmp_path / "report", Run(progress=shown), None, sections=())
    assert during == [(spec, spec) for spec in specs]


def row(outcome, label):
    (found,) = [r for r in outcome[0]["rows"] if r["label"].startswith(label)]
    return found


def test_every_contestant_has_its_row_in_order(outcome):
    labels = [r["label"] for r in outcome[0]["rows"]]
    assert labels[:5] == [
        "uniform",
        "modified Kneser–Ney, bigram",
        "3-gram, unsmoothed",
        "modified Kneser–Ney, 4-gram",
        "my-run",
    ]
    assert labels[5].endswith("add 0.5")


def test_one_that_fails_leaves_its_error_and_the_others_stand(outcome):
    assert "homework is hard" in row(outcome, str(outcome[1].parent / "fails.py"))["error"]
    assert "probability of zero" in row(outcome, "3-gram, unsmoothed")["error"]
    assert sum(r["score"] is not None for r in outcome[0]["rows"]) == 5


def test_a_row_says_what_the_ruler_says(outcome, small):
    chars = tokenizers.train("char", small.train)
    model = Ngram(order=2).fit(Data.of(chars.encode(small.train), chars.encode(small.valid), chars.vocab_size))
    score = evaluate(TextModel(model, chars), small.test)
    found = row(outcome, "modified Kneser–Ney, bigram")
    assert found["score"]["bits"] == score.bits
    assert found["interval"][0] < found["score"]["bits_per_character"] < found["interval"][1]
    assert found["size"]["unit"] == "n-grams"
    assert found["size"]["bytes"] > 1000
    assert found["reach"] == 1


def test_a_finished_run_is_a_row_like_any_other(outcome):
    assert row(outcome, "my-run")["score"]["bits"] == row(outcome, "modified Kneser–Ney, 4-gram")["score"]["bits"]
    assert row(outcome, "my-run")["train_seconds"] == 1.5


def test_the_peak_memory_of_a_training_is_a_figure_of_its_row(outcome):
    found = row(outcome, "modified Kneser–Ney, bigram")
    assert found["peak_bytes"] == found["provenance"].get("peak_bytes")  # absent where the system does not say
    assert row(outcome, "my-run")["peak_bytes"] is None


def test_differences_are_between_neighbours_and_have_paired_intervals(outcome):
    first = outcome[0]["differences"][-1]
    assert first["b"] == "uniform"
    assert first["low"] < first["delta"] < first["high"] < 0


def test_the_curve_of_orders_meets_the_rows(outcome):
    points = {p["order"]: p["bits_per_character"] for p in outcome[0]["orders"]}
    assert points[2] == pytest.approx(row(outcome, "modified Kneser–Ney, bigram")["score"]["bits_per_character"])
    assert sorted(points) == list(ORDERS)


def test_every_scored_model_reads_the_same_passage(outcome, small):
    texts = {"".join(piece["text"] for piece in passage["pieces"]) for passage in outcome[0]["passages"]}
    (passage,) = texts
    assert small.test.startswith(passage)
    assert len(outcome[0]["passages"]) == 5


def test_every_scored_model_has_a_sample_that_its_seed_repeats(outcome, small):
    *written, itself = outcome[0]["samples"]
    assert len(written) == 5
    texts = {one["label"]: one["text"] for one in written}
    assert texts["my-run"] == texts["modified Kneser–Ney, 4-gram"]
    assert {one["prompt"] for one in written} == {itself["prompt"]}
    assert itself["prompt"] + itself["text"] in small.test


def test_context_and_calibration_are_known_of_every_scored_model(outcome):
    scored = [r["label"] for r in outcome[0]["rows"] if r["score"]]
    for way in ("context", "calibration"):
        assert [r["label"] for r in outcome[0][way]["rows"]] == scored


def test_curves_end_at_the_row(small, tmp_path):
    outcome = compared(["uniform", "ngram:order=3"], small, tmp_path, Run(seed=1), shares=(0.25, 0.5, 1.0))
    curve = outcome["curves"]["rows"][1]
    bits = [point["bits_per_character"] for point in curve["points"]]
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] == outcome["rows"][1]["score"]["bits_per_character"]
    assert [point["characters"] for point in curve["points"]][-1] == len(small.train)


DEAF = STUDENT.replace(
    "    def advance(self, state, tokens): return ()",
    "    def advance(self, state, tokens): return ()\n"
    "    def next_log_probs_many(self, states): raise ZeroDivisionError('I only score')\n"
    "    def log_probs(self, tokens, state=None): return self.table_[tokens], ()",
).replace(
    "    def next_log_probs(self, state): return self.table_",
    "    def next_log_probs(self, state): raise ZeroDivisionError('I only score')",
)


def test_what_a_file_of_ones_own_cannot_do_is_a_note_in_its_row(small, tmp_path):
    (tmp_path / "deaf.py").write_text(DEAF, encoding="utf-8")
    outcome = compared(["uniform", str(tmp_path / "deaf.py")], small, tmp_path / "r", Run(seed=1))
    uniform, deaf = outcome["rows"]
    assert deaf["score"] is not None
    assert any("no samples: ZeroDivisionError('I only score')" in note for note in deaf["notes"])
    assert uniform["notes"] == []
    assert [one["label"] for one in outcome["samples"]] == ["uniform", "the test text itself"]


def test_the_report_can_be_written_and_read(outcome):
    page = report.write(outcome[1], made(outcome[0]))
    assert "modified Kneser–Ney, 4-gram" in page.read_text(encoding="utf-8")
    saved = json.loads((outcome[1] / "results.json").read_text(encoding="utf-8"))
    assert saved["rows"][0]["score"]["bits"] == outcome[0]["rows"][0]["score"]["bits"]


def test_trained_models_are_kept_as_runs(outcome):
    model, _ = store.load(outcome[1] / "runs" / "ngram-order-4")
    assert model == Ngram(order=4)


def test_a_model_that_adapts_is_marked_with_a_footnote(small, tmp_path):
    outcome = compared(["uniform", "cache:window=50"], small, tmp_path / "r", Run())
    static, adapting = outcome["rows"]
    assert (static["adapts_at_test_time"], adapting["adapts_at_test_time"]) == (False, True)
    assert static["notes"] == []
    assert "adapts to the test text" in report.render(made(outcome))["README.md"].decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("ngarm", "did you mean ngram"),
        ("ngram:ordre=3", "did you mean order"),
        ("ngram:order=x", "whole number"),
        ("ngram:order", "NAME=VALUE"),
        ("ngram:order=0", "1 to 64"),
        ("./nothing.py", "no model file"),
    ],
)
def test_a_wrong_name_is_said_before_any_work(words, said, small, tmp_path):
    with pytest.raises(UsageError, match=said):
        compared(["uniform", words], small, tmp_path / "r", Run())
    assert not (tmp_path / "r").exists()


class TestTheBuiltInCorpus:
    """The floor is exact: no model is below the true source by more than chance."""

    def test_no_model_beats_the_true_source(self, tmp_path):
        text = corpora.load("storyworld:100kB")
        specs = ["uniform", "ngram:order=2", "ngram:order=5"]
        outcome = compare.compare(specs, text, tmp_path, Run(), None, sections=())
        floor = text.floor_bits["test"] / len(text.test)
        for found in outcome.rows:
            assert found.interval[0] > floor


def test_certified_bits_are_those_that_a_fresh_process_read_back(small, tmp_path):
    pytest.importorskip("constriction")
    (tmp_path / "unigram.py").write_text(STUDENT, encoding="utf-8")
    words = [str(tmp_path / "unigram.py"), "ngram:order=2,smoothing=ml"]
    outcome = compared(words, small, tmp_path / "r", Run(seed=1), certified=True)
    unigram, ml = outcome["rows"]
    claimed = unigram["certified"]["evaluator_bits_per_character"]
    assert unigram["certified"]["bits_per_character"] == pytest.approx(claimed, rel=0.005)
    assert "certified" not in ml  # it has no score: the test text has what it has never seen
    assert "certified" in report.render(made(outcome))["README.md"].decode()


def test_a_certificate_that_fails_is_said_in_its_row(small, tmp_path, monkeypatch):
    monkeypatch.setattr(compare.certify, "sample_of", lambda *_, **__: {"error": "another text came back"})
    outcome = compared(["ngram:order=2"], small, tmp_path / "r", Run(seed=1), certified=True)
    assert "not certified: another text came back" in outcome["rows"][0]["notes"]
    report.render(made(outcome))
