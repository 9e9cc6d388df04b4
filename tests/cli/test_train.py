"""`lmzoo train` of a network as a person meets it: what it leaves, and what becomes of a training that is stopped."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lmzoo.cli.main import main
from lmzoo.neural.training import trainer as _trainer
from lmzoo.runs import store
from tests.neural.networks import stop_at
from tests.processes import Started, ranks

TEXT = "".join(f"the {n % 7} cats sat on {n % 11} mats.\n" for n in range(600))
# What is run in a process of its own: lmzoo, with checkpoints as often as can be and a blow after so many steps.
BLOW = """
import os, signal, time
from lmzoo.neural.training import checkpoint as _checkpoint, trainer as _trainer
_trainer.CHECKPOINT_EVERY, _trainer.CHECKPOINT_SHARE = 0.0, 1e9
step, save_file = _trainer.Trainer.step, _checkpoint.save_file

def stepping(trainer):
    step(trainer)
    if trainer.step_number == 23:
        if {how!r} == "while saving":
            _checkpoint.save_file = saving
        else:
            came = []
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(number)
                signal.signal(number, lambda *given, handler=handler: (came.append(1), handler(*given)))
            os.kill({whom}, signal.{signal})
            while not came:  # until it has been passed on
                time.sleep(0.01)

def saving(tensors, path, header):
    save_file(tensors, path, header)
    path.write_bytes(path.read_bytes()[:1000])
    os.kill(os.getpid(), signal.SIGKILL)

if int(os.environ.get("RANK", 0)) == 0:
    _trainer.Trainer.step = stepping
from lmzoo.cli.main import main
main()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "own.txt").write_text(TEXT)
    return tmp_path


@pytest.fixture
def lmzoo(capsys):
    """Call `lmzoo` in this process: its exit code, what it printed and what it said."""

    def call(words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(words.split())
        return exit_.value.code, *capsys.readouterr()

    return call


def blow(how, words):
    """The exit code of `lmzoo WORDS` in a process that gets that signal after 23 steps."""
    process = Started(words.split(), code(how, "os.getpid()"))
    process.communicate()
    return process.returncode


def code(how, whom):
    return BLOW.format(how=how, whom=whom, signal=how if how in dir(signal) else "SIGKILL")


def train(name="lstm", out="run", budget="40steps", seed=5, text="own.txt", more=""):
    given = f"--corpus {text} --budget {budget} --seed {seed} --out {out}"
    return f"train {name} --preset tiny --dropout 0.3 {given} {more}"


def weights(run):
    return Path(run, "model.safetensors").read_bytes()


def curve(run):
    rows = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]
    return [row["train_nats_per_token"] for row in rows if "train_nats_per_token" in row]


def test_it_says_what_it_did_and_where_its_curve_is(here, lmzoo):
    code, out, _ = lmzoo(train())
    out = " ".join(out.split())
    assert code == 0
    assert "40 steps, 10,240 tokens read (" in out
    assert "on cpu in float32; the curve is in run/metrics.jsonl" in out
    assert len(curve("run")) == 40
    assert re.search(r"validation: [\d.]+ bits per character", out)
    assert not Path("run.unfinished").exists()
    provenance = store.read_provenance("run")
    assert provenance["steps"] == 40
    assert provenance["budget"] == {"steps": 40}


@pytest.mark.parametrize("name", ["lstm", "gpt"])
def test_a_killed_training_goes_on_to_the_same_weights(here, lmzoo, name):
    """With kill -9; `tests/models/test_trainer.py` has it for each network and optimiser."""
    assert lmzoo(train(name, "whole"))[0] == 0
    assert blow("SIGKILL", train(name)) == -signal.SIGKILL
    assert not Path("run").exists()
    code, _, said = lmzoo(train(name))
    assert code == 2
    assert "run.unfinished is an unfinished training: --resume continues it, --overwrite starts from scratch" in said
    code, out, _ = lmzoo(train(name, more="--resume"))
    assert code == 0
    assert "40 steps" in out
    assert weights("run") == weights("whole")
    assert curve("run") == curve("whole")
    assert not Path("run.unfinished").exists()


def test_killed_while_it_saves_it_goes_on_from_the_save_before(here, lmzoo):
    assert lmzoo(train(out="whole"))[0] == 0
    assert blow("while saving", train()) == -signal.SIGKILL
    assert lmzoo(train(more="--resume"))[0] == 0
    assert weights("run") == weights("whole")


def points(run):
    """The weights at each point that was kept, by the name of its folder."""
    return {path.parent.name: path.read_bytes() for path in Path(run).glob("checkpoints/*/model.safetensors")}


def test_a_killed_training_keeps_the_points_it_had_and_resumes_to_the_same(here, lmzoo):
    keep = "--checkpoints 10"
    code, out, _ = lmzoo(train(out="whole", more=keep))
    assert code == 0
    assert "7 checkpoints are in whole/checkpoints, each a run, as in: lmzoo eval whole/checkpoints/step1\n" in out
    assert blow("SIGKILL", train(more=keep)) == -signal.SIGKILL
    had = points("run.unfinished")
    assert had.keys() == {"step1", "step2", "step3", "step5", "step10", "step20"}
    assert lmzoo("eval run.unfinished/checkpoints/step20")[0] == 0  # a run, already
    assert lmzoo(train(more=f"{keep} --resume"))[0] == 0
    assert points("run") == points("whole")
    assert had.items() < points("run").items()
    assert points("run")["step40"] == weights("run")
    assert sorted(path.name for path in here.iterdir()) == ["own.txt", "run", "whole"]


def test_a_point_is_a_run_with_its_own_provenance(here, lmzoo):
    assert lmzoo(train(more="--checkpoints 3"))[0] == 0
    store.verify(Path("run/checkpoints/step2"))
    listed = store.read_provenance("run")["checkpoints"]
    assert [(point["step"], point["tokens"]) for point in listed] == [(1, 256), (2, 512), (40, 10240)]
    assert listed[0]["valid_nats_per_token"] > listed[-1]["valid_nats_per_token"]
    own = store.read_provenance("run/checkpoints/step2")
    assert (own["steps"], own["tokens_read"], own["corpus"]) == (2, 512, "own.txt")
    code, _, said = lmzoo("eval run/checkpoints/step3")
    assert (code, said) == (2, "lmzoo: no checkpoint step3 in run/checkpoints; there are: step1, step2, step40\n")


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_a_stop_on_request_says_how_to_go_on(here, lmzoo, how, monkeypatch):
    assert lmzoo(train(out="whole"))[0] == 0
    with monkeypatch.context() as patch:
        stop_at(patch, 23, lambda _: os.kill(os.getpid(), getattr(signal, how)))
        code, out, said = lmzoo(train())
    assert (code, out) == (130 if how == "SIGINT" else 143, "")
    assert said == (
        "lmzoo: interrupted at step 23, 57% of the budget; the checkpoint is in run.unfinished: give the same command "
        "with --resume to go on\n"
    )
    assert lmzoo(train(more="--resume"))[0] == 0
    assert weights("run") == weights("whole")


def test_an_unfinished_training_is_begun_anew_only_on_request(here, lmzoo, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 23, lambda _: os.kill(os.getpid(), signal.SIGTERM))
        assert lmzoo(train())[0] == 143
    code, _, said = lmzoo(train(seed=6, more="--resume"))
    assert code == 2
    assert "is of a training with another seed (5, and now 6)" in said
    assert Path("run.unfinished/checkpoint.safetensors").is_file()
    assert lmzoo(train(seed=6, more="--overwrite"))[0] == 0
    assert store.read_provenance("run")["seed"] == 6


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "train lstm --corpus own.txt --device nonsense",
            "no device 'nonsense': it can be auto, cpu, cuda, cuda:N or mps",
        ),
        ("train ngram --corpus own.txt --device nonsense", "no device 'nonsense'"),
        ("train lstm --corpus own.txt --device cpu:7", "this machine has no device cpu:7"),
        ("train lstm --corpus own.txt --precision int4", "no precision 'int4'; there are: auto, float32, bfloat16"),
        ("train lstm --corpus own.txt --compile maybe", "no answer to --compile 'maybe'"),
        ("train rnn --corpus own.txt --dropout nan", "dropout must be 0 or more and below 1, not nan"),
        ("train mlp --corpus own.txt --dropout 1", "dropout must be 0 or more and below 1, not 1.0"),
        ("train lstm --corpus own.txt --learning-rate inf", "learning_rate must be 0 or more, not inf"),
        ("train lstm --corpus own.txt --alpha -1", "alpha must be 0 or more, not -1"),
        ("train lstm --corpus own.txt --window 100000", "window of 100000 tokens is longer than the training text"),
        ("train lstm --corpus own.txt --batch 100000", "is more than the training text"),
        ("train lstm --corpus own.txt --budget 0steps", "not '0steps'"),
        ("train lstm --corpus own.txt --seed -1", "seed"),
        ("train lstm --corpus own.txt --resume", "there is nothing to resume: runs/own-lstm.unfinished"),
        ("train ngram --corpus own.txt --resume", "there is nothing to resume"),
        (
            "train ngram --corpus own.txt --checkpoints 3",
            "ngram is not trained by steps, so there is nothing between its start and its end: leave --checkpoints out",
        ),
        ("train lstm --corpus own.txt --checkpoints -1", "checkpoints must be 0 to 1000, not -1"),
        ("eval run --device nonsense", "no device 'nonsense'"),
        ("generate run --device nonsense", "no device 'nonsense'"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(here, lmzoo, words, says):
    code, out, said = lmzoo(words)
    assert (code, out) == (2, "")
    assert said.startswith("lmzoo: ")
    assert said.count("\n") == 1
    assert says in said
    assert sorted(path.name for path in here.iterdir()) == ["own.txt"]  # nothing half-made is left


def test_a_counting_model_touches_no_unfinished_network(here, lmzoo):
    assert blow("SIGINT", train()) == 130
    left = Path("run.unfinished", "checkpoint.safetensors")
    before = left.read_bytes()
    code, _, said = lmzoo("train ngram --corpus own.txt --out run --resume")
    assert code == 2
    assert "ngram is not trained by steps, so there is nothing to resume" in said
    assert left.read_bytes() == before


def test_a_window_may_be_longer_than_a_look(here, lmzoo):
    """A look at the validation text takes 4,096 tokens or more: never less than the window wants."""
    Path("long.txt").write_text(TEXT * 12)
    code, out, _ = lmzoo(train(text="long.txt", budget="20steps", more="--window 6000 --batch 1"))
    assert code == 0
    assert "20 steps, 120,000 tokens read" in out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_there_is_refused(here, lmzoo):
    code, _, said = lmzoo(train(more="--device cuda"))
    assert code == 2
    assert "this machine has no device cuda: it has cpu (1)" in said
    assert lmzoo(train())[0] == 0
    for words in ("eval run --device cuda", "generate run --device cuda"):
        code, _, said = lmzoo(words)
        assert code == 2
        assert "no device cuda" in said
    assert lmzoo("eval run --device cpu")[0] == 0
    assert lmzoo("generate run --length 5 --device cpu")[0] == 0


def test_tensorboard_that_is_not_installed_is_said_before_any_step(here, lmzoo, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)

    def step(trainer):
        raise AssertionError("it trained")

    monkeypatch.setattr(_trainer.Trainer, "step", step)
    code, _, said = lmzoo(train(more="--tensorboard board"))
    assert code == 2
    assert "TensorBoard is not installed: pip install tensorboard" in said
    assert not Path("board").exists()


def test_tensorboard_gets_each_figure(here, lmzoo, monkeypatch):
    written = []

    class Writer:
        def __init__(self, folder, purge_step):
            written.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, step))

        def close(self):
            written.append("closed")

    module = type(sys)("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    assert lmzoo(train(budget="10steps", more="--tensorboard board"))[0] == 0
    assert written[0] == ("board", None)
    assert written[-1] == "closed"
    assert {name for name, _ in written[1:-1]} >= {"train_nats_per_token", "valid_nats_per_token", "tokens_per_second"}
    assert [step for name, step in written[1:-1] if name == "train_nats_per_token"] == list(range(1, 11))


# ── Several processes ─────────────────────────────────────────────────────────────────────────────

PLAIN = "--dropout 0 --optimizer sgd --learning-rate 0.5"  # no optimiser that magnifies rounding
ROWS = {"lstm": 8, "mlp": 128, "gpt": 8}  # one carries memory along, the others draw windows
SHARED = {"gpt": "--parallel sharded"}


def both(words):
    """(exit code, what it printed, what it said) of each of two processes that train together."""
    started = [Started(words.split(), environment=own) for own in ranks(2)]
    ended = [process.communicate() for process in started]
    return [(process.returncode, *written) for process, written in zip(started, ended, strict=True)]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes make of four trainings, and what each of them wrote."""
    folder = tmp_path_factory.mktemp("two")
    text = folder / "own.txt"
    text.write_text(TEXT)
    trainings = [
        train(name, folder / name, text=text, more=f"{PLAIN} --batch {ROWS[name]} {SHARED.get(name, '')}")
        for name in ROWS
    ]
    return folder, [both(words) for words in (*trainings, train(out=folder / "whole", text=text))]


def test_only_the_first_process_speaks_and_saves(two):
    folder, written = two
    for (code, out, said), second in written:
        assert (code, said, out.count("saved as ")) == (0, "", 1)
        assert second == (0, "", "")
    assert sorted(path.name for path in folder.iterdir()) == ["gpt", "lstm", "mlp", "own.txt", "whole"]
    assert store.read_provenance(folder / "lstm")["processes"] == 2
    assert {path.name for path in (folder / "gpt").iterdir()} == {path.name for path in (folder / "lstm").iterdir()}


@pytest.mark.parametrize("name", ROWS)
def test_two_processes_learn_what_one_with_the_doubled_batch_does(here, lmzoo, two, name):
    assert lmzoo(train(name, "one", more=f"{PLAIN} --batch {2 * ROWS[name]}"))[0] == 0
    assert curve(two[0] / name) == pytest.approx(curve("one"), abs=1e-5)
    assert store.read_provenance("one")["tokens_read"] == store.read_provenance(two[0] / name)["tokens_read"]


def test_two_interrupted_processes_go_on_to_the_same_weights(here, two):
    """Ctrl-C reaches torchrun, which passes it on; each process has dropout and memory of its own."""
    Path("blow.py").write_text(code("SIGINT", "os.getppid()"))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "blow.py"]
    done = subprocess.run([*launcher, *train().split()], capture_output=True, text=True)
    assert done.returncode != 0
    says = [line for line in done.stderr.splitlines() if line.startswith("lmzoo: ")]  # without what torchrun adds
    assert len(says) == 1
    assert says[0].startswith("lmzoo: interrupted at step 23, 57% of the budget; the checkpoint is in run.unfinished")
    assert Path("run.unfinished/checkpoint.safetensors").is_file()
    assert not Path("run").exists()
    assert [code for code, _, _ in both(train(more="--resume"))] == [0, 0]
    assert weights("run") == weights(two[0] / "whole")


def test_what_is_wrong_for_all_processes_is_said_by_the_first(here, lmzoo, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert lmzoo("train lstm --device nonsense") == (2, "", "")
    monkeypatch.setattr(_trainer.Trainer, "__init__", lambda *_: 1 / 0)
    code, _, said = lmzoo(train())
    assert code == 1
    assert said.startswith("lmzoo: process 1: ZeroDivisionError")
