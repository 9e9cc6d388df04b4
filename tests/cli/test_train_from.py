"""A training that goes on from another run's weights: what it begins with, what it says, and what cannot be."""

import math
import shutil
import signal
from pathlib import Path

import pytest
import torch

from lmzoo.cli.main import main
from lmzoo.neural.training.parallel import Parallel
from lmzoo.runs import store
from tests.cli.test_train import TEXT, blow, curve, weights
from tests.neural.networks import NETWORKS

OTHER = "".join(f"a {n % 5} cats ran to {n % 13} dogs.\n" for n in range(600))
STILL = {  # without dropout, which no two readings have in common
    "mlp": "--dropout 0", "rnn": "--dropout 0", "lstm": "--dropout 0 --dropout-between 0", "gpt": "", "llama": "",
    "speedrun": "--ngram-dropout 0", "mlstm": "--dropout 0",
}  # fmt: skip


@pytest.fixture
def lmzoo(tmp_path, monkeypatch, capsys):
    """Call `lmzoo` in this process: its exit code, what it printed and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    Path("own.txt").write_text(TEXT)
    Path("other.txt").write_text(OTHER)

    def call(words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(words.split())
        return exit_.value.code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of an LSTM that was trained on own.txt, once for all tests."""
    folder = tmp_path_factory.mktemp("made")
    given = "--corpus own.txt --tokenizer word:40 --budget 60steps --learning-rate 0.011 --out parent --quiet"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("OMP_NUM_THREADS", "1")
        Path("own.txt").write_text(TEXT)
        with pytest.raises(SystemExit):
            main(f"train lstm --preset tiny {STILL['lstm']} {given}".split())
    return folder / "parent"


@pytest.fixture
def parent(lmzoo, made):
    """That run as `parent`, where `lmzoo` is called."""
    shutil.copytree(made, "parent")


def trained(lmzoo, name="lstm", out="parent", text="own.txt", tokenizer="word:40", budget="60steps", more=""):
    """Train a run, which must succeed; returns what was printed in one line."""
    given = f"--corpus {text} --budget {budget} --out {out}" + f" --tokenizer {tokenizer}" * bool(tokenizer)
    code, printed, said = lmzoo(f"train {name} --preset tiny {STILL[name]} {given} {more}")
    assert (code, said) == (0, "")
    return " ".join(printed.split())


def loss_of_the_first_batch(run, text):
    """What the model of a run says of the first batch of a training on `text`, in nats a token."""
    model, tokenizer = store.load(run)
    t, objective = model.training, model.objective(model.vocab_size_)
    (batch,) = objective.batches(tokenizer.encode(text), t.batch, t.window, 0, Parallel(), False).parts(0)
    with torch.no_grad():
        state = objective.state_before(model.net_, batch, model.net_.initial_state(len(batch.ids)))
        return float(objective.loss(model.net_, batch, state).nats)


@pytest.mark.parametrize("name", NETWORKS)
def test_training_goes_on_at_the_loss_of_the_run_and_a_twin_begins_at_log_v(lmzoo, name):
    trained(lmzoo, name)
    text = TEXT[: store.read_provenance("parent")["split_sizes"]["train"]["characters"]]
    expected = loss_of_the_first_batch("parent", text)
    trained(lmzoo, name, "on", tokenizer="", budget="10steps", more="--from parent --optimizer sgd")
    trained(lmzoo, name, "twin", budget="10steps")
    size = math.log(store.load("parent").tokenizer.vocab_size)
    assert curve("on")[0] == pytest.approx(expected, abs=1e-4)
    assert curve("on")[0] < 0.75 * size
    assert curve("twin")[0] == pytest.approx(size, abs=0.5)


@pytest.mark.usefixtures("parent")
def test_it_reads_by_the_tokenizer_of_the_run_with_its_settings_and_names_it(lmzoo):
    code, _, said = lmzoo("train lstm --from parent --corpus other.txt --budget 10steps --batch 8 --out on")
    assert (code, said) == (0, "")
    (model, tokenizer), (_, before) = store.load("on"), store.load("parent")
    assert tokenizer.to_json() == before.to_json()
    assert (model.hidden, model.training.learning_rate, model.training.batch) == (32, 0.011, 8)
    then, now = store.read_provenance("parent"), store.read_provenance("on")
    assert now["parent"]["digest"] == store.digest("parent")
    assert now["parent"]["key"] == then["key"] != now["key"]
    learned = {key: then[key] for key in ("corpus", "sha256", "refit")}
    assert (now["earlier"], now["corpus"]) == ([learned], "other.txt")


def test_equal_parents_and_settings_have_equal_keys_and_weights_and_others_have_others(lmzoo):
    for out, seed in (("parent", 0), ("same", 0), ("another", 1)):
        trained(lmzoo, out=out, more=f"--seed {seed}")
        assert lmzoo(f"train lstm --from {out} --corpus other.txt --budget 10steps --out {out}-on")[0] == 0
    keys = [store.read_provenance(f"{out}-on")["key"] for out in ("parent", "same", "another")]
    assert keys[0] == keys[1] != keys[2]
    assert weights("parent-on") == weights("same-on") != weights("another-on")


@pytest.mark.usefixtures("parent")
def test_a_killed_one_goes_on_to_the_same_weights(lmzoo):
    words = "train lstm --from parent --corpus other.txt --budget 40steps --dropout 0.3 --freeze embeddings"
    assert lmzoo(f"{words} --out whole")[0] == 0
    assert blow("SIGKILL", f"{words} --out run") == -signal.SIGKILL
    code, _, said = lmzoo(f"{words.replace('--from parent', '--from whole')} --out run --resume")
    assert code == 2
    assert "run.unfinished/checkpoint.safetensors is of a training with another start (--from" in said
    assert lmzoo(f"{words} --out run --resume")[0] == 0
    assert weights("run") == weights("whole")
    assert curve("run") == curve("whole")


@pytest.mark.usefixtures("parent")
def test_frozen_embeddings_are_those_of_the_run(lmzoo):
    code, printed, _ = lmzoo(
        "train lstm --from parent --freeze embeddings --corpus other.txt --budget 10steps --out on"
    )
    assert code == 0
    assert "note: the embeddings were not trained" in printed
    before, after = (store.load(run).model.net_.weights() for run in ("parent", "on"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == before.keys() - {"embedding.weight"}
    assert store.read_provenance("on")["frozen"] == ["embeddings"]


def test_an_adaptive_softmax_keeps_the_ranks_of_the_text_it_learned_first(lmzoo):
    trained(lmzoo, more="--softmax adaptive")
    assert lmzoo("train lstm --from parent --corpus other.txt --budget 10steps --out on")[0] == 0
    before, after = (store.load(run).model.net_.output.rank for run in ("parent", "on"))
    assert torch.equal(before, after)


def test_words_outside_a_closed_vocabulary_are_read_as_in_scoring(lmzoo):
    trained(lmzoo, tokenizer="split:min=2")
    code, printed, _ = lmzoo("train lstm --from parent --corpus other.txt --budget 10steps --out on")
    assert code == 0
    words = OTHER[: store.read_provenance("on")["split_sizes"]["train"]["characters"]].split()
    known = store.load("parent").tokenizer.to_json()["words"]
    count = sum(word not in known for word in words)
    assert count > 500
    assert f"note: {count:,} unknown words of the training text were read as <unk>" in printed
    trained(lmzoo, out="closed", tokenizer="split")
    code, _, said = lmzoo("train lstm --from closed --corpus other.txt --out closed-on")
    assert code == 2
    assert "line 1, column 1: the word 'a' is not in the closed vocabulary" in said


def test_an_autoencoder_begins_a_language_model(lmzoo):
    out = trained(lmzoo, more="--goal autoencoder --window 6 --learning-rate 0.01")
    assert "note: it learned to say again what it has read, not to predict a text" in out
    words = "train lstm --from parent --corpus own.txt --budget 10steps --out on"
    assert lmzoo(f"{words} --goal next --freeze embeddings")[0] == 0
    assert store.load("on").model.goal == "next"
    before, after = (store.load(run).model.net_.weights()["embedding.weight"] for run in ("parent", "on"))
    assert torch.equal(before, after)


@pytest.mark.usefixtures("parent")
def test_a_score_says_that_the_text_was_part_of_an_earlier_training(lmzoo):
    Path("third.txt").write_text(OTHER.replace("dogs", "mice"))
    assert lmzoo("train lstm --from parent --corpus other.txt --budget 10steps --out between")[0] == 0
    assert lmzoo("train lstm --from between --corpus third.txt --budget 10steps --out on")[0] == 0
    told = "this text was part of the training"
    for text in ("own", "other", "third"):
        assert told in " ".join(lmzoo(f"eval on --corpus {text}.txt --split train")[1].split())
    assert told not in " ".join(lmzoo("eval on --corpus own.txt --split test")[1].split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("lstm --from parent --hidden 64", "the weights of parent are for hidden 32, not 64: leave that out"),
        ("lstm --from parent --preset small", "for embedding 16, --preset small has 64: leave that out"),
        ("lstm --from parent --tied", "the weights of parent are for tied False, not True: leave that out"),
        ("lstm --from parent --tokenizer char", "parent reads word:40, and its weights are for those tokens: leave"),
        ("gpt --from parent", "parent is a run of lstm: lmzoo train lstm --from parent goes on from it"),
        (
            "ngram --from parent",
            "ngram begins with nothing learned, as only networks can begin elsewhere: leave --from",
        ),
        ("lstm --from nowhere", "no run at nowhere"),
        ("lstm --freeze embeddings", "--freeze would leave the embeddings as chance drew them: give --from or"),
        ("lstm --from parent --freeze output", "no part to freeze 'output'"),
        ("lstm --from parent --lines", "--lines: no token of this word:40 ends a line, as it learned running text"),
    ],
)
@pytest.mark.usefixtures("parent")
def test_what_cannot_be_is_said_in_one_line(lmzoo, words, says):
    code, out, said = lmzoo(f"train {words} --corpus other.txt --out on")
    assert (code, out) == (2, "")
    assert said.startswith("lmzoo: ")
    assert said.count("\n") == 1
    assert says in said
    assert sorted(path.name for path in Path().iterdir()) == ["other.txt", "own.txt", "parent"]
