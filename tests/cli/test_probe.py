"""`lmzoo probe`: tables, figures, JSON and mistakes."""

import json

import numpy as np
import pytest

from lmzoo.cli import probe as probe_command
from lmzoo.data import corpus, tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Run
from lmzoo.models.lstm import LSTM
from lmzoo.models.uniform import Uniform
from lmzoo.neural.training.config import Training
from lmzoo.runs import store
from lmzoo.tasks import grammar_probes
from lmzoo.tasks.probing import datasets
from lmzoo.tasks.probing.datasets import TEST, TRAIN, VALID, ProbeSet
from lmzoo.testing import practice_text

SENTENCES = [f"the {'good' if n % 2 else 'bad'} film of number {n} was made in the year {n}" for n in range(120)]
PARTS = np.repeat([TRAIN, VALID, TEST], [60, 20, 40])


def toy(name, *_):
    """Sentences on films instead of the public sets; of one word of three, a tag."""
    labels = np.arange(120) % 2
    if name == "sick":
        related = np.linspace(1, 5, 120)
        return [ProbeSet("pairs", (SENTENCES, SENTENCES[::-1]), related, PARTS, "Pearson")]
    return [ProbeSet(name, (SENTENCES,), labels, PARTS, classes=("bad", "good"))]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A network and a model without vectors, with texts of bytes."""
    folder, text = tmp_path_factory.mktemp("runs"), practice_text(500)
    bytes_ = tokenizers.train("byte", "a")
    model = LSTM(hidden=8, embedding=6, training=Training(batch=4, window=8)).fit(
        Data.of(text, text[:0], bytes_.vocab_size), Run(steps=1)
    )
    (folder / "films.txt").write_text(
        "\n".join([*SENTENCES[100:], *(f"nothing of it, {n}" for n in range(200))]) + "\n"
    )
    source = corpus.load(folder / "films.txt")
    provenance = {"corpus": source.name, "corpus_path": str(folder / "films.txt"), "sha256": source.sha256}
    store.save(TextModel(model, bytes_), folder / "small-lstm", provenance)
    store.save(
        TextModel(Uniform().fit(Data.of(text, text, bytes_.vocab_size)), bytes_),
        folder / "none",
        {"corpus": "gone.txt"},
    )
    return folder


@pytest.fixture
def lmzoo(calling, runs, monkeypatch):
    """Call `lmzoo probe` alone in an application of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(runs)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(datasets, "load", toy)
    monkeypatch.setattr(datasets, "names", lambda **_: ["mr", "sick"])
    return calling(probe=probe_command.probe_runs)


def lines(out, beginning):
    return [line.split() for line in out.splitlines() if line.strip().startswith(beginning)]


def test_models_controls_and_baselines_are_rows_and_tasks_are_columns(lmzoo):
    code, out, err = lmzoo("small-lstm", "none")
    assert (code, err) == (0, "")
    assert lines(out, "mr")[0] == ["mr", "pairs", "Pearson", "pairs", "Spearman"]
    table = [line.rsplit(maxsplit=3) for line in out.splitlines()[2:9]]
    assert [row[0].strip() for row in table if len(row) == 4] == [
        "small-lstm", "small-lstm, shuffled labels", "small-lstm, untrained", "none", "majority class", "TF-IDF",
    ]  # fmt: skip
    assert lines(out, "none")[0] == ["none", "–", "–", "–"]
    assert lines(out, "TF-IDF")[0][1] == "1.000"


def test_details_of_results_are_shown(lmzoo):
    _, out, _ = lmzoo("small-lstm", "none", "--tasks", "mr", "--no-baselines")
    row = lines(out, "mr")[1]
    assert row[:2] == ["mr", "accuracy"]
    assert row[-3:-1] == ["40", "80"]  # tested and trained
    assert "note: uniform has no vectors to probe" in out
    assert "TF-IDF" not in out


def test_the_overlap_with_the_training_text_is_shown(lmzoo):
    _, out, _ = lmzoo("small-lstm", "none", "--tasks", "mr", "--no-baselines")
    share = float(lines(out, "mr")[1][-1].removesuffix("%"))
    assert 40 < share < 60  # of 40 texts, the last 20 are in it
    assert "its training text is not available" in out


def test_curves_and_units_are_shown_and_drawn(lmzoo, tmp_path):
    code, out, _ = lmzoo("small-lstm", "--tasks", "mr", "--curves", "--units", "--out", tmp_path / "figures")
    assert code == 0
    assert "small-lstm, mr, accuracy by labels: " in out
    assert "(10), " in out
    assert "TF-IDF, mr, accuracy by labels: " in out
    assert "small-lstm, mr: unit " in out
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["probe-labels.png", "probe-unit.png"]


def test_json_has_everything(lmzoo):
    _, out, _ = lmzoo("small-lstm", "none", "--json", "--units", "--limit", "30")
    facts = json.loads(out)
    assert facts["tasks"] == ["mr", "sick"]
    assert [row["kind"] for row in facts["rows"]] == [
        "probe", "shuffled labels", "untrained", "probe", "majority class", "TF-IDF",
    ]  # fmt: skip
    grade = facts["rows"][0]["grades"][0]
    assert (grade["task"], grade["items"], grade["training"], grade["kind"]) == ("mr", 30, 50, "probe")
    assert len(facts["units"]) == 1
    assert set(facts["overlap"]) == {"small-lstm", "none"}


def test_without_probes_there_are_units_only(lmzoo):
    code, out, err = lmzoo("small-lstm", "none", "--tasks", "mr", "--units", "--no-probes")
    assert (code, err) == (0, "")
    assert out.startswith("small-lstm, mr: unit ")
    assert " of the state (last) alone " in out
    assert "of 40; above" in out
    assert "; best unit without training 0." in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["small-lstm", "--no-probes"], "--no-probes leaves nothing to do without --units"),
        (["small-lstm", "--no-probes", "--units", "--curves"], "--curves are those of probes"),
        (["nowhere"], "no run at nowhere"),
        (["small-lstm", "--limit", "-1"], "--limit must be 0 or more, not -1"),
        (["small-lstm", "--limit", "few"], "--limit must be a whole number, not 'few'"),
    ],
)
def test_mistakes_are_named_in_one_line(lmzoo, arguments, says):
    code, out, err = lmzoo(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_an_unknown_task_is_named_with_the_nearest(lmzoo, monkeypatch):
    monkeypatch.undo()
    code, _, err = lmzoo("small-lstm", "--tasks", "mrr")
    assert code == 2
    assert "no probing task 'mrr'; did you mean mr" in err


def test_ctrl_c_says_that_features_are_cached(lmzoo, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lmzoo.tasks.probing.baselines.baselines", interrupted)
    code, _, err = lmzoo("small-lstm")
    assert code == 130
    assert "the same command continues from the cached features" in err


def test_a_run_of_storyworld_is_probed_with_what_its_grammar_labels(lmzoo, runs, monkeypatch):
    written = [ProbeSet(key, (SENTENCES,), np.arange(120) % 2, PARTS, generated=True) for key in ("stars", "topic")]
    asked = []

    def sets(grammar, training, wanted, **_):
        asked.append((len(training), wanted))
        return written if "storyworld" in wanted else [one for one in written if one.task in wanted]

    monkeypatch.setattr(grammar_probes, "sets", sets)
    saved = store.load(runs / "small-lstm")
    store.save(saved, runs / "story", {"corpus": "storyworld:200kB"}, overwrite=True)
    facts = json.loads(lmzoo("story", "--json")[1])
    assert facts["tasks"] == ["storyworld"]
    assert [grade["task"] for grade in facts["rows"][0]["grades"]] == ["stars", "topic"]
    assert facts["overlap"]["story"] in (None, {"stars": None, "topic": None})
    facts = json.loads(lmzoo("story", "--tasks", "topic,mr", "--json")[1])
    assert [grade["task"] for grade in facts["rows"][0]["grades"]] == ["topic", "mr"]
    assert [wanted for _, wanted in asked] == [["storyworld"], ["topic"]]
    assert {length for length, _ in asked} == {len(corpus.load("storyworld:200kB").train)}
