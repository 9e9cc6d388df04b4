"""Several processes on this machine, joined by gloo, that train one network with weights they share (FSDP)."""

import math
import os
import shutil
import signal
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial

import pytest
import torch

from lmzoo.errors import LmzooError, UsageError
from lmzoo.interface import Data, Run
from lmzoo.neural.training import optimizers
from lmzoo.neural.training.trainer import Trainer
from lmzoo.testing import VOCAB_SIZE
from tests.neural.networks import TRAIN, VALID, begin, network
from tests.processes import FORKED, ranks

ROWS = 8  # of a step, in all processes
TRANSFORMERS = ("gpt", "llama", "speedrun")  # a tied table and biases; SwiGLU and grouped keys; n-grams and shortcuts
EXACT = {"optimizer": "sgd", "learning_rate": 0.5, "accumulate": 2, "clip": 0.3}  # none that magnifies rounding
RUN = Run(steps=4, device="cpu", precision="float32")
SHARED = replace(RUN, parallel="sharded")


def _process(work, environment, results, arguments):
    os.environ.update(environment)
    torch.set_num_threads(1)
    try:
        results.send(work(*arguments))
    except (LmzooError, KeyboardInterrupt) as error:
        results.send(f"{type(error).__name__}: {error}")


@contextmanager
def started(size, work, *arguments):
    """So many processes that do `work(*arguments)`, and the ends of their pipes."""
    pipes = [FORKED.Pipe(duplex=False) for _ in range(size)]
    team = [
        FORKED.Process(target=_process, args=(work, own, write, arguments))
        for own, (_, write) in zip(ranks(size), pipes, strict=True)
    ]
    try:
        for one, (_, write) in zip(team, pipes, strict=True):
            one.start()
            write.close()
        yield team, [read for read, _ in pipes]
    finally:
        for one in team:
            one.kill()
            one.join()


def together(size, work, *arguments):
    """What each process returns, by rank; a line where it raised an error of ours."""
    with started(size, work, *arguments) as (_, ends):
        return [end.recv() for end in ends]


def fitted(name, run, valid=VALID[:0], **settings):
    """Its losses and weights."""
    settings = {"batch": ROWS // int(os.environ.get("WORLD_SIZE", "1"))} | settings
    model = network(name, **settings).fit(Data.of(TRAIN, valid, VOCAB_SIZE), run)
    return losses(model.history), model.arrays()


def losses(history):
    return [value for row in history for key, value in row.items() if key.endswith("nats_per_token")]


def off(name):
    """The setting without which nothing is drawn at random in training."""
    return {"ngram_dropout": 0.0} if name == "speedrun" else {}


# ── Equal to one process ──────────────────────────────────────────────────────────────────────────


def all_fitted(names):
    return {name: fitted(name, SHARED, **EXACT, **off(name)) for name in names}


@cache
def trained(size):
    return together(size, all_fitted, TRANSFORMERS if size == 2 else ("speedrun",))


@pytest.mark.parametrize(("name", "size"), [*((name, 2) for name in TRANSFORMERS), ("speedrun", 4)])
def test_processes_that_share_weights_learn_what_one_process_does(name, size):
    alone, weights = fitted(name, RUN, **EXACT, **off(name))
    assert alone[-1] < alone[0]
    for rank in trained(size):
        with_others, shared = rank[name]
        assert with_others == pytest.approx(alone, abs=1e-5)
        assert list(shared) == list(weights)
        for key, value in weights.items():
            assert shared[key] == pytest.approx(value, abs=1e-5), key


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_two_gpus_that_share_weights_learn_what_one_does(name):
    alone, _ = fitted(name, replace(RUN, device="cuda"), **EXACT, **off(name))
    for with_others, _ in together(2, partial(fitted, name, replace(SHARED, device="cuda"), **EXACT, **off(name))):
        assert with_others == pytest.approx(alone, abs=1e-5)


def shares_and_muon(at_once):
    """The share of the weights that this process has, and the largest difference of Muon's from one process's."""
    from torch.distributed.tensor import distribute_tensor

    optimizers.cpu_has_bf16 = lambda: False  # whose rounding would hide a small difference
    optimizers.AT_ONCE = at_once
    model = network("speedrun", optimizer="muon", batch=1)
    ours, whole = begin(model, **vars(SHARED)), begin(model, **vars(RUN))
    share = sum(weight.to_local().numel() for weight in ours.weights) / sum(w.numel() for w in whole.weights)
    for _ in range(3):
        for mine, weight in zip(ours.weights, whole.weights, strict=True):
            weight.grad = torch.randn_like(weight)
            mine.grad = distribute_tensor(weight.grad.clone(), mine.device_mesh, mine.placements)
        for optimizer in (*ours.optimizers, *whole.optimizers):
            optimizer.step()
    pairs = zip(ours.weights, whole.weights, strict=True)
    return share, max(float((mine.full_tensor() - weight).abs().max()) for mine, weight in pairs)


@pytest.mark.parametrize("at_once", [1, 1 << 24])
def test_each_has_its_share_and_muon_orthogonalises_whole_matrices(at_once):
    for share, difference in together(2, shares_and_muon, at_once):
        assert share == pytest.approx(1 / 2, abs=0.01)
        assert difference < 1e-5


# ── Checkpoints ───────────────────────────────────────────────────────────────────────────────────


def until(step, folder, resume, **settings):
    """Train, and press Ctrl-C after that step, unless it is the last."""
    stepping = Trainer.step

    def then_stop(trainer):
        stepping(trainer)
        if trainer.step_number == step < RESUMED.steps:
            os.kill(os.getpid(), signal.SIGINT)

    Trainer.step = then_stop
    return fitted("speedrun", replace(RESUMED, folder=folder, resume=resume), VALID[:64], **settings)


RESUMED = replace(SHARED, steps=9)
ALL = {"optimizer": "muon", "average": 0.8, "ngram_dropout": 0.0}


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """What four processes leave that are interrupted after three steps."""
    folder = tmp_path_factory.mktemp("left")
    assert all("interrupted at step 3" in said for said in together(4, partial(until, 3, folder, False, **ALL)))
    return folder


def test_another_number_of_processes_goes_on(left, tmp_path):
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    assert all("interrupted at step 6" in said for said in together(2, partial(until, 6, tmp_path, True, **ALL)))
    ((resumed, _),) = together(1, partial(until, 9, tmp_path, True, **ALL))
    alone, _ = fitted("speedrun", replace(RESUMED, parallel="replicated"), VALID[:64], **ALL)
    assert resumed == pytest.approx(alone, abs=1e-3)  # in training and validation; Muon multiplies in bf16
    assert len(alone) == 18


def spoil(folder, name, change):
    place = folder / "checkpoint.sharded" / name
    place.write_bytes(change(place.read_bytes()))


def refusals(attempts):
    """What is said to each attempt, settings for a folder: all processes must say so, and go on together."""
    said = []
    for folder, settings in attempts:
        try:
            until(9, folder, True, **ALL | settings)
            said.append("nothing")
        except LmzooError as error:
            said.append(str(error))
    return said


def test_what_cannot_be_resumed_is_refused_by_all_processes(left, tmp_path):
    def copy(name):
        return shutil.copytree(left, tmp_path / name)

    attempts = [(copy(name), {}) for name in ("missing", "altered", "facts", "more")] + [(left, {"batch": ROWS})]
    files = sorted(file.name for file in (left / "checkpoint.sharded").iterdir())
    assert len(files) == 5  # no pickle among them
    (tmp_path / "missing" / "checkpoint.sharded" / files[3]).unlink()
    spoil(tmp_path / "altered", files[4], lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    spoil(tmp_path / "facts", "facts.json", lambda content: content.replace(b'"step_number": 3', b'"step_number": 4'))
    shutil.copy(left / "checkpoint.sharded" / files[1], tmp_path / "more" / "checkpoint.sharded" / "other.safetensors")
    first, second = together(2, refusals, attempts)
    assert first == second
    missing, altered, facts, more, batch = first
    assert f"{files[3]} is missing, damaged" in missing
    assert f"{files[4]} is missing, damaged" in altered
    assert "facts.json is damaged" in facts
    assert "other.safetensors is missing, damaged or of another" in more
    assert "another number of rows in a step (--batch, times the processes) (8, and now 16)" in batch


def test_what_is_not_shared_is_refused(left, monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="with --parallel sharded: resume it with that flag"):
        fitted("speedrun", replace(RESUMED, parallel="replicated", folder=left, resume=True), **ALL)
    said = together(1, refusals_of_others)[0]
    assert "only transformers (gpt, llama, speedrun)" in said[0]
    assert "--parallel sharded reads running text" in said[1]


def refusals_of_others():
    return [_error(begin, network("lstm"), **vars(SHARED)), _error(begin, network("gpt"), lines=True, **vars(SHARED))]


def _error(function, *arguments, **settings):
    with pytest.raises(UsageError) as refused:
        function(*arguments, **settings)
    return str(refused.value)


# ── A process that dies ───────────────────────────────────────────────────────────────────────────


def dies(step, run):
    """Train; the last process is killed after that step."""
    stepping = Trainer.step

    def then_die(trainer):
        stepping(trainer)
        if trainer.step_number == step and trainer.parallel.rank == trainer.parallel.size - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    Trainer.step = then_die
    return fitted("gpt", run)


@pytest.mark.parametrize("run", [SHARED, RUN], ids=["sharded", "replicated"])
def test_when_one_process_is_killed_the_others_end_with_one_line(run):
    with started(2, dies, 2, run) as (_, (first, _)):
        assert first.poll(60)
        assert first.recv().startswith("LmzooError: another process of this training has stopped or cannot be reached")


# ── Weights that were gathered ────────────────────────────────────────────────────────────────────


def loss_after_the_weights_change():
    trainer = begin(network("gpt"), **vars(SHARED))
    trainer.spent, trainer.validation.best_loss = 1.0, 0.0  # these weights are not the best
    trainer._validate()
    with torch.no_grad():
        for weight in trainer.weights:
            weight.zero_()
    return trainer.validation.loss(trainer.module, trainer.compute)


def test_after_a_validation_no_weights_of_before_are_used():
    assert together(1, loss_after_the_weights_change) == [pytest.approx(math.log(VOCAB_SIZE), abs=1e-6)]


def says_of_weights():
    trainer = begin(network("gpt"), **vars(SHARED))
    if trainer.parallel.rank == 1:
        with torch.no_grad():
            trainer.weights[0].to_local()[0, 0] = math.nan
    try:
        trainer.check_weights()
    except LmzooError as error:
        return str(error)
    return "nothing"


def test_weights_that_are_not_finite_in_one_process_are_an_error_in_all():
    assert all("the weights are not finite numbers at step 0" in said for said in together(2, says_of_weights))
