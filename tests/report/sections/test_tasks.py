"""The sections on tasks: the grammar exam, probes, zero-shot tasks and rescoring."""

import json

import numpy as np
import pytest

from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry
from lmzoo.comparison.results import Row, to_json
from lmzoo.data import corpus, task_cards
from lmzoo.errors import UsageError
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.interface import Run
from lmzoo.report.section import find
from lmzoo.report.sections import exam, zeroshot
from lmzoo.runs import train
from lmzoo.tasks import grammar_probes, suite
from lmzoo.tasks.probing.datasets import TEST, TRAIN, VALID

PASSAGE = "Who should Ann hug? He said so to the dogs"


def entry_of(spec: str, text: train.Text, **provenance: object) -> Entry:
    """A trained and scored model, as a comparison has it."""
    name, settings = train.parse(spec)
    fitted = train.fit(name, settings, text, Run())
    row = Row(spec, name, None, "", {}, text.tokenizer.spec, provenance=provenance or None)
    return Entry(spec, row, fitted.text_model, evaluate(fitted.text_model, text.corpus.test[:2000]))


@pytest.fixture(scope="module")
def examined(few_questions):
    """Two models on the built-in corpus, with their grammar exam."""
    text = train.encode(corpus.load("storyworld:500kB"), None, Run())
    entries = [entry_of(spec, text) for spec in ("uniform", "ngram:order=3")]
    return to_json(exam.section.compute(entries, Context(text, Run())))


def test_every_model_and_the_source_are_graded_in_every_phenomenon(examined):
    names = [about["phenomenon"] for about in examined["about"]]
    assert len(names) == len(set(names)) > 10
    for grades in (examined["ceiling"], *(row["grades"] for row in examined["rows"])):
        assert [grade["task"] for grade in grades] == names


def test_who_knows_nothing_guesses_and_nobody_passes_the_source(examined):
    uniform, ngram = (np.array([grade["value"] for grade in row["grades"]]) for row in examined["rows"])
    chance = np.array([grade["chance"] for grade in examined["ceiling"]])
    source = np.array([grade["value"] for grade in examined["ceiling"]])
    np.testing.assert_allclose(
        uniform, chance, atol=0.02
    )  # half a question of 40: the text has not every word: it is spelled in bytes
    assert (ngram <= source + 0.1).all()  # by luck, where the source itself must guess
    assert ngram.mean() > uniform.mean()


def test_a_corpus_without_a_grammar_has_no_exam(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("the cat sat on the mat\n" * 99)
    assert exam.section.compute([], Context(train.encode(corpus.load(str(path)), None, Run()), Run())) is None


def test_a_name_that_is_no_task_is_said_with_the_nearest():
    with pytest.raises(UsageError, match=r"no task 'blmp'; did you mean blimp\?; there are: all, "):
        suite.read("sst2,blmp")


def test_a_run_that_was_trained_on_another_text_is_told_how_much_of_that_the_tests_are(tmp_path, monkeypatch):
    (tmp_path / "here.txt").write_text("nothing of it\n" * 300)
    (tmp_path / "there.txt").write_text(f"{PASSAGE}\n" * 300)
    here, there = (corpus.load(tmp_path / name) for name in ("here.txt", "there.txt"))
    monkeypatch.setattr(task_cards, "fetch", lambda *_: {"lambada_test": json.dumps({"text": PASSAGE})})
    text = train.encode(here, "byte", Run())
    elsewhere = {"corpus": there.name, "corpus_path": str(tmp_path / "there.txt"), "sha256": there.sha256}
    entries = [
        entry_of("uniform", text, **provenance)
        for provenance in ({"corpus": here.name, "sha256": here.sha256}, elsewhere, {"sha256": {}})
    ]
    facts = to_json(zeroshot.section.compute(entries, Context(text, Run(), tests=suite.read("lambada"))))
    assert set(facts["overlap"]) == {0}
    assert [row.get("overlap") for row in facts["rows"]] == [None, [1.0] * len(facts["overlap"]), None]
    ours, theirs, unknown = ({grade["note"] for grade in row["grades"]} for row in facts["rows"])
    assert ours == {""}
    assert theirs == {"trained on there.txt, which contains 100.00% of a test set's 8-grams"}
    assert unknown == {"trained on another text; the overlap of the test sets with that text is unknown"}


@pytest.mark.data
def test_a_comparison_asks_what_it_is_told_to(monkeypatch):
    """Few items of a probe, of a zero-shot task and of both, and n-best lists."""
    monkeypatch.setattr(grammar_probes, "SIZES", {TRAIN: 40, VALID: 40, TEST: 80})
    text = train.encode(corpus.load("storyworld:500kB"), None, Run())
    entries = [entry_of(spec, text) for spec in ("ngram:order=2", "classes:classes=20,rounds=1")]
    context = Context(text, Run(), tests=suite.read("trec,cola,winograd,rescoring", limit=40))
    facts = {one.id: to_json(one.compute(entries, context)) for one in map(find, ("probes", "zeroshot", "rescoring"))}
    labels = {key: [row["label"] for row in facts[key]["rows"]] for key in facts}
    models = ["ngram:order=2", "classes:classes=20,rounds=1"]
    assert labels == {
        "probes": [*models, "majority class", "TF-IDF"],
        "zeroshot": models,
        "rescoring": [*models, "the channel's first choice", "the best candidate"],
    }
    assert [grade["task"] for grade in facts["probes"]["rows"][0]["grades"]][-2:] == ["TREC", "CoLA"]
    assert all(
        grade["value"] is None and "no vectors" in grade["note"] for grade in facts["probes"]["rows"][0]["grades"]
    )
    assert all(0 <= grade["value"] <= 1 for grade in facts["probes"]["rows"][3]["grades"][:-1])
    for key in ("probes", "zeroshot", "rescoring"):
        assert len(facts[key]["overlap"]) == len(facts[key]["rows"][0]["grades"])
    model, channel, best = (facts["rescoring"]["rows"][i]["grades"][0] for i in (0, 2, 3))
    assert model["items"] + model["training"] == 40
    assert best["value"] < channel["value"]
    assert best["value"] <= model["value"]


def test_probes_need_no_download_where_a_grammar_labels_texts(monkeypatch):
    monkeypatch.setattr(grammar_probes, "SIZES", {TRAIN: 40, VALID: 40, TEST: 80})
    text = train.encode(corpus.load("storyworld:200kB"), None, Run())
    entries = [entry_of(spec, text) for spec in ("ngram:order=2", "svd")]
    facts = find("probes").compute(entries, Context(text, Run()))
    names = [question.name for question in grammar_probes.QUESTIONS]
    rows = {row.label: row.grades for row in facts.rows}
    assert list(rows) == ["ngram:order=2", "svd", "majority class", "TF-IDF"]
    assert all([grade.task for grade in grades] == names for grades in rows.values())
    assert all(grade.value is None for grade in rows["ngram:order=2"])
    topic = names.index("topic")
    assert rows["svd"][topic].value > rows["majority class"][topic].value + 0.2
    assert facts.overlap is None  # the texts were drawn to be new
    measure = find("probes").measure(facts, None)
    assert measure.values["svd"] == pytest.approx(np.mean([grade.value for grade in rows["svd"]]))
    assert measure.values["ngram:order=2"] is None
    assert [one.key for one in find("probes").view(facts, None)["own"]] == grammar_probes.names()[1:]
