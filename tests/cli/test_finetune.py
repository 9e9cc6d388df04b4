"""`lmzoo finetune` and `lmzoo transfer`: tables, figures, JSON, reports and mistakes."""

import json
import re

import numpy as np
import pytest

from lmzoo.cli import finetune as finetune_command
from lmzoo.cli import transfer as transfer_command
from lmzoo.data import corpus, tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Run
from lmzoo.models.lstm import LSTM
from lmzoo.models.uniform import Uniform
from lmzoo.neural.training.config import Training
from lmzoo.runs import store
from lmzoo.tasks.probing import datasets
from tests.tasks.finetuning.examples import BAD, GOOD, reviews

QUICK = ("--settings", "epochs=1,least_steps=3,batch=8", "--limit", "20")


def toy(name, *_):
    """Reviews instead of the public sets."""
    return [reviews(seed=len(name), task=name)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A network that has learned next to nothing, and a model that is no network."""
    folder = tmp_path_factory.mktemp("runs")
    words = tokenizers.train("word:50", " ".join(reviews().texts[0]))
    ids = words.encode(" ".join(reviews().texts[0]))
    data = Data.of(ids, ids[:50], words.vocab_size)
    model = LSTM(hidden=8, embedding=6, training=Training(batch=4, window=8)).fit(data, Run(steps=2))
    known = {
        "command": "lmzoo train lstm",
        "commit": "0ff",
        "corpus": "own",
        "tokens_read": 64,
        "training_tokens": 600,
        "split_sizes": {"train": {"characters": 3000}},
    }
    store.save(TextModel(model, words), folder / "lstm", known, model.history)
    store.save(TextModel(Uniform().fit(data), words), folder / "none", {})
    (folder / "mine.tsv").write_text(
        "text\tlabel\n" + "\n".join(f"a {word} film\t{'good' if word in GOOD else 'bad'}" for word in (*GOOD, *BAD) * 5)
    )
    (folder / "one.tsv").write_text("text\tlabel\na\tgood\nb\tgood\n")
    (folder / "half.tsv").write_text("text\tlabel\na\t1\nb\t2.5\n")
    return folder


@pytest.fixture
def lmzoo(calling, runs, tmp_path, monkeypatch):
    """Call `lmzoo finetune` or `lmzoo transfer`: (exit code, stdout, stderr)."""
    monkeypatch.chdir(runs)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(corpus, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(datasets, "load", toy)
    monkeypatch.setattr(datasets, "names", lambda **_: ["sst2", "mr", "cr", "trec", "cola"])
    return calling(finetune=finetune_command.finetune_runs, transfer=transfer_command.transfer_runs)


def test_a_row_for_the_run_from_scratch_frozen_and_each_baseline(lmzoo):
    code, out, err = lmzoo("finetune", "lstm", "none", "--tasks", "sst2", "--labels", "10,all", "--seeds", "2", *QUICK)
    assert (code, err) == (0, "")
    names = [
        "majority class",
        "TF-IDF",
        "NB-SVM",
        "lstm, fine-tuned",
        "lstm, from scratch",
        "lstm, frozen",
        "none, frozen",
    ]
    table = [line for line in out.splitlines() if any(line.strip().startswith(name) for name in names)]
    assert [next(name for name in names if line.strip().startswith(name)) for line in table] == names
    assert "10 labels" in out and "60 labels" in out and "sst2, accuracy: 20 tested; 95 % interval over 2 seeds" in out
    assert "note: none, frozen, sst2: uniform has no vectors to probe" in out
    assert re.search(r"NB-SVM .* 1\.000 \(1\.00–1\.00\)", out)


def test_runs_in_folders_of_one_name_are_told_apart_and_one_that_is_named_twice_is_one(lmzoo, runs):
    store.save(store.load("none"), "other/none", {})
    code, out, _ = lmzoo(
        "finetune", "none", "other/none", "none", "--tasks", "sst2", "--labels", "10", "--seeds", "1", *QUICK, "--json",
        "--no-baselines",
    )  # fmt: skip
    assert code == 0
    assert [cell["row"] for cell in json.loads(out)["cells"]] == ["none, frozen", "other/none, frozen"]


def test_json_has_every_cell_and_out_a_figure_of_each_task(lmzoo, tmp_path):
    code, out, _ = lmzoo(
        "finetune", "lstm", "--tasks", "sst2,mine.tsv", "--labels", "10,20", "--seeds", "2", "--no-scratch",
        "--untrained", *QUICK, "--json", "--out", tmp_path / "out",
    )  # fmt: skip
    facts = json.loads(out)
    assert code == 0
    assert {cell["row"] for cell in facts["cells"]} == {
        "majority class", "TF-IDF", "NB-SVM", "lstm, fine-tuned", "lstm, frozen", "lstm, untrained, frozen",
    }  # fmt: skip
    assert len(facts["cells"]) == 6 * 2 * 2 * 2
    assert {(point["task"], point["labels"]) for point in facts["points"]} == {
        (task, labels) for task in ("sst2", "mine") for labels in (10, 20)
    }
    names = ["labels-mine.png", "labels-mine.svg", "labels-sst2.png", "labels-sst2.svg", "results.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert json.loads((tmp_path / "out/results.json").read_text()) == facts


def test_the_same_command_goes_on_from_what_is_done(lmzoo, monkeypatch):
    arguments = ("finetune", "lstm", "--tasks", "sst2", "--labels", "10", "--seeds", "1", *QUICK, "--json")

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lmzoo.tasks.finetuning.baselines.Frozen.predict", interrupted)
        code, _, err = lmzoo(*arguments)
    assert code == 130 and "the same command goes on from the cells that are done" in err
    with monkeypatch.context() as patch:
        patch.setattr("lmzoo.tasks.finetuning.networks.NetworkLearner.predict", interrupted)
        code, out, _ = lmzoo(*arguments)
    assert code == 0
    assert lmzoo(*arguments)[1] == out  # seconds too


def test_a_classifier_is_saved_as_a_run(lmzoo, tmp_path):
    arguments = ("finetune", "lstm", "--tasks", "sst2", "--settings", "epochs=1,least_steps=3,batch=8", "--save")
    code, out, err = lmzoo(*arguments, tmp_path / "kept")
    assert (code, err) == (0, "")
    assert re.fullmatch(rf"{tmp_path}/kept: sst2, accuracy 0\.\d+ on 40\n", out)
    known = store.read_provenance(tmp_path / "kept")
    assert known["parent"]["digest"] == store.digest("lstm") and known["finetuning"]["labels"] == 60
    model = store.load(tmp_path / "kept").model
    assert np.exp(model.class_log_probs([(np.arange(5),)])).sum() == pytest.approx(1, abs=1e-6)
    assert lmzoo(*arguments, tmp_path / "kept")[0] == 2
    again = ("finetune", tmp_path / "kept", "--tasks", "mine.tsv", "--labels", "10", "--seeds", "1", *QUICK)
    code, out, _ = lmzoo(*again)
    assert code == 0 and re.search(r"kept, frozen +[01]\.\d", out)
    assert "kept has a head for bad, good: that is left off, and a new one learns each task" in " ".join(out.split())
    assert (
        "--save is one classifier of one task, not of 2"
        in lmzoo("finetune", "lstm", "--tasks", "sst2,mr", "--save", tmp_path / "two")[2]
    )


def test_a_report_has_each_experiment_that_can_be_done(lmzoo, tmp_path):
    code, out, err = lmzoo(
        "transfer", "lstm", "--tasks", "sst2,mr", "--labels", "10,20", "--seeds", "2", *QUICK, "--out", tmp_path / "out"
    )
    assert (code, err) == (0, "")
    out = " ".join(out.split())
    assert "Few labels: Pre-training " in out
    for title in (
        "What each part is worth",
        "Layers transferred",
        "One text alone",
        "Supervision in bits",
    ):
        assert title in out
    assert "not done: Zero-shot while pre-training needs a run of storyworld with --checkpoints" in out
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["README.md", "few.png", "few.svg", "index.html", "layers.png", "layers.svg", "results.json"]
    page = (tmp_path / "out/index.html").read_text()
    assert (
        "<bdi>LSTM</bdi> (<bdi>LSTM, 8 cells</bdi>), <bdi>lstm</bdi>: <code>lmzoo train lstm</code>, commit 0ff" in page
    )
    assert "- LSTM, 8 cells, lstm: `lmzoo train lstm`, commit `0ff`\n" in (tmp_path / "out/README.md").read_text()
    assert page.index("<picture>") < page.index("<nav")  # the first screen has the picture
    assert "sst2 → mr" in page and "mean of 2 tasks" in page and "default-src 'none'" in page
    facts = json.loads((tmp_path / "out/results.json").read_text())
    assert set(facts["experiments"]) == {"few", "ablation", "layers", "domains", "supervision"}
    assert all(not one["error"] for one in facts["experiments"].values())
    (labels,) = [one for one in facts["experiments"]["supervision"]["facts"]["labels"] if one["task"] == "sst2"]
    assert (labels["labels"], labels["bits"]) == (60, 60)


def test_a_named_experiment_is_done_alone(lmzoo, tmp_path):
    out = ("--out", tmp_path / "out")
    code, text, _ = lmzoo(
        "transfer", "lstm", "--tasks", "sst2", "--experiments", "steps", "--labels", "10", "--seeds", "1", *QUICK, *out
    )
    assert code == 0 and "LSTM: all ways together change " in " ".join(text.split())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "index.html", "results.json"]
    assert "10.67" in (tmp_path / "out/README.md").read_text() + (tmp_path / "out/index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["finetune", "nowhere"], "no run at nowhere"),
        (["finetune", "lstm", "--tasks", "sst"], "no labelled task 'sst'; did you mean sst2"),
        (["finetune", "lstm", "--tasks", "gone.tsv"], "there is no file gone.tsv"),
        (["finetune", "lstm", "--tasks", "sst2", "--labels", "ten"], "--labels are whole numbers from 2 and 'all'"),
        (["finetune", "lstm", "--tasks", "sst2", "--labels", "1"], "not '1'"),
        (["finetune", "lstm", "--tasks", "sst2", "--seeds", "0"], "--seeds must be 1 to 100, not 0"),
        (["finetune", "lstm", "--tasks", "sst2", "--settings", "epochs"], "--settings are NAME=VALUE"),
        (["finetune", "lstm", "--tasks", "sst2", "--settings", "epoch=2"], "epoch"),
        (["finetune", "lstm", "--tasks", "one.tsv"], "one.tsv has one class, 'good'"),
        (["finetune", "lstm", "--tasks", "half.tsv"], "half.tsv, line 3 has the label 2.5: a label is a class"),
        (["finetune", "none", "--tasks", "sst2", "--save", "x"], "a uniform is no network of lmzoo"),
        (["transfer", "lstm", "--tasks", "sst2", "--settings", "transfer=7"], "7 layers cannot be transferred"),
        (["transfer", "lstm", "--experiments", "few,more"], "no experiment 'more'"),
        (["transfer", "lstm", "--tasks", "sst2", "--experiments", "domains"], "needs pairs (rte, sick), or sst2 with"),
    ],
)
def test_mistakes_are_named_in_one_line(lmzoo, arguments, says):
    code, out, err = lmzoo(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_texts_that_are_cut_are_counted_and_too_many_layers_refused_before_any_work(lmzoo, tmp_path):
    short = ("--settings", "epochs=1,least_steps=3,batch=8,window=4", "--limit", "20")
    code, out, _ = lmzoo("finetune", "lstm", "--tasks", "sst2", "--labels", "10,20", "--seeds", "1", *short)
    assert code == 0
    said = "note: lstm, fine-tuned, sst2, 20 labels: 20 texts were longer than 4 tokens: their start was left out"
    assert said in " ".join(out.split())
    _, out, _ = lmzoo("finetune", "lstm", "--tasks", "sst2", *short[:2], "--save", tmp_path / "kept")
    assert "60 texts were longer than 4 tokens" in " ".join(out.split())
    code, out, err = lmzoo("finetune", "none", "lstm", "--tasks", "sst2", "--layers", "7")
    assert (code, out) == (2, "")
    assert "7 layers cannot be transferred: this network has 1" in err
