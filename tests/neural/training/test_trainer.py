"""The training loop that all networks share, on a text of a few thousand tokens."""

import json
import math
import os
import re
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from lmzoo.errors import LmzooError, UsageError
from lmzoo.interface import Data, Progress, Run
from lmzoo.neural.training import checkpoint
from lmzoo.neural.training import trainer as _trainer
from lmzoo.neural.training.batches import Batch
from lmzoo.testing import VOCAB_SIZE, practice_text
from tests.neural.networks import NETWORKS, TRAIN, VALID, begin, network, scattered, stop_at, weights

NOTHING = TRAIN[:0]


class Killed(BaseException):
    """An exception that no handler catches."""


def kill(trainer):
    raise Killed


def fit(model, train=TRAIN, valid=VALID, refit=False, lines=False, **run):
    data = replace(Data.of(train, valid, VOCAB_SIZE, refit), lines=lines)
    return model.fit(data, Run(**({"steps": 20} | run)))


def no_dropout(name):
    """The settings of a network that leave nothing to chance."""
    return {setting: 0.0 for setting in network(name).config() if setting.endswith("dropout")}


def same_weights(a, b):
    return all(np.array_equal(value, b.arrays()[key]) for key, value in a.arrays().items())


# ── A step ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns(name):
    losses = [
        row["valid_nats_per_token"] for row in fit(network(name), steps=60).history if "valid_nats_per_token" in row
    ]
    assert len(losses) == 10
    assert losses[-1] < losses[0] < math.log(VOCAB_SIZE) + 0.2


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("parts", "lines"), [(3, False), (16, False), (3, True)])
def test_accumulated_gradients_are_those_of_the_whole_batch(name, parts, lines):
    """16 rows in 3 parts: 6, 5 and 5. Plain descent, which shows any difference of gradients."""
    settings = {**no_dropout(name), "batch": 16, "optimizer": "sgd", "learning_rate": 0.5}
    whole, split = (begin(network(name, **settings, accumulate=n), lines=lines) for n in (1, parts))
    first = weights(whole.module)
    for trainer in (whole, split):
        for _ in range(4):
            trainer.step()
    assert torch.allclose(weights(whole.module), weights(split.module), atol=1e-6)
    assert torch.allclose(whole.losses.sum, split.losses.sum, atol=1e-5)
    assert not torch.allclose(weights(whole.module), first, atol=1e-3)


@pytest.mark.parametrize(("batch", "parts"), [(16, 3), (7, 7), (5, 4), (1, 1), (9, 2)])
def test_the_parts_of_a_batch_are_its_rows_as_evenly_as_can_be(batch, parts):
    rows = torch.arange(batch)[:, None]
    read = Batch(rows, rows, fresh=True).parts(parts)
    sizes = [len(part.ids) for part in read]
    assert torch.cat([part.ids for part in read]).tolist() == torch.cat([part.targets for part in read]).tolist()
    assert torch.cat([part.ids for part in read]).flatten().tolist() == list(range(batch))
    assert len(sizes) == parts
    assert max(sizes) - min(sizes) <= 1
    assert sizes[0] == max(sizes)  # what fits into memory is asked of the first


@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_of_lines_is_what_the_ruler_gives_each_alone(name):
    """A window of 16 tokens; lines of two windows too, where a state is carried through the line."""
    longest = 40 if network(name).carries_state else 16
    rng = np.random.default_rng(0)
    lines = [np.append(rng.integers(0, VOCAB_SIZE - 1, rng.integers(0, longest)), VOCAB_SIZE - 1) for _ in range(200)]
    model = network(name, **no_dropout(name), window=16)
    trainer = begin(model, np.concatenate(lines).astype(np.int32), np.concatenate(lines[:30]), lines=True)
    scattered(trainer.module)
    read = [lines[n] for n in trainer.batches._lines(0)]
    trainer.validation.tokens = len(trainer.validation.text)  # all of it
    validated = trainer.validation.loss(trainer.module, trainer.compute)
    model.net_, model.vocab_size_ = trainer.module, VOCAB_SIZE
    expected, valid = (-np.concatenate(model.log_probs_many(part)).mean() for part in (read, lines[:30]))
    trainer.step()
    assert float(trainer.losses.sum) == pytest.approx(expected, rel=1e-4)
    assert validated == pytest.approx(valid, rel=1e-4)
    assert not trainer.carried


def test_lines_are_compiled_only_where_asked_for(monkeypatch):
    model = network()
    monkeypatch.setattr(type(model), "compile_pays", lambda model, run: True)
    assert not fit(model, lines=True, steps=2).facts["compiled"]


def test_gradients_are_clipped_to_the_norm():
    model = network(optimizer="sgd", learning_rate=1.0, weight_decay=0.0, clip=1e-3, warmup=0.0, cooldown=0.0)
    trainer = begin(model)
    before = weights(trainer.module)
    trainer.step()
    assert float((weights(trainer.module) - before).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_state_is_carried_from_step_to_step():
    trainer = begin(network(batch=2, window=8))
    trainer.step()
    first = trainer.carried
    assert any(bool(part.any()) for part in first)
    objective, module = trainer.objective, trainer.module
    assert objective.state_before(module, trainer.batches(1), first) is first  # the second step goes on with it
    fresh = trainer.batches(trainer.batches.steps_per_pass)
    assert not any(bool(part.any()) for part in objective.state_before(module, fresh, first))


def test_the_average_is_the_mean_of_the_weights_at_the_end_of_the_budget():
    trainer = begin(network(average=0.5), valid=NOTHING)
    seen, step = [], trainer.step

    def stepping():
        late = trainer.spent >= 0.5
        step()
        if late:
            seen.append(weights(trainer.module))

    trainer.step = stepping
    trainer.train()
    assert len(seen) == 10
    assert torch.allclose(weights(trainer.module), torch.stack(seen).mean(0), atol=1e-6)
    assert not torch.allclose(weights(trainer.module), seen[-1], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch": 0}, "at least 1"),
        ({"window": 5000}, "window of 5000 tokens is longer than the training text"),
        ({"batch": 4000}, "more than the training text"),
        ({"accumulate": 17}, "cannot be read in 17 parts"),
        ({"accumulate": 0}, "accumulate must be 1 or more"),
        ({"warmup": 1.5}, "warmup must be 0 to 1, not 1.5"),
        ({"learning_rate": float("nan")}, "learning_rate must be 0 or more, not nan"),
        ({"beta2": 1.0}, "beta2 must be 0 or more and below 1, not 1.0"),
        ({"dropout": 1.5}, "lstm with these settings cannot be|dropout"),
        ({"hidden": -3}, "lstm with these settings cannot be|hidden"),
        ({"optimizer": "best"}, "no optimizer 'best'"),
    ],
)
def test_an_impossible_setting_is_an_error_in_one_line(settings, words):
    with pytest.raises(UsageError, match=words) as caught:
        fit(network(**settings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", [-1, 1 << 63])
def test_an_impossible_seed_is_an_error(seed):
    with pytest.raises(UsageError, match=f"seed must be 0 or more, not {seed}|seed"):
        fit(network(), seed=seed)


# ── Budgets, validation, best weights ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("given", "steps"), [({"steps": 7}, 7), ({"tokens": 16 * 16 * 3.5}, 4)])
def test_training_stops_at_the_end_of_its_budget(given, steps):
    model = network().fit(Data.of(TRAIN, VALID, VOCAB_SIZE), Run(**given))
    assert model.facts["steps"] == steps
    assert model.facts["tokens_read"] == steps * 16 * 16


def test_a_wall_clock_budget_is_kept():
    model = network().fit(Data.of(TRAIN, VALID, VOCAB_SIZE), Run(seconds=0.4))
    assert 0.4 <= model.facts["training_seconds"] < 10
    assert model.facts["steps"] > 1


def test_a_clock_that_is_not_reached_changes_nothing():
    alone, under_a_clock = (fit(network(), steps=30, seconds=seconds) for seconds in (None, 1e6))
    assert same_weights(under_a_clock, alone)
    assert under_a_clock.remarks == alone.remarks


def test_a_clock_that_cuts_is_remarked_on_with_what_was_read():
    model = fit(network(), steps=1_000_000, seconds=0.5)
    assert any(
        re.fullmatch(r"stopped by the clock \(0.5 s\) after [\d.]+k? of 256M tokens", remark)
        for remark in model.remarks
    ), model.remarks
    assert model.facts["steps"] < 1_000_000
    assert len(valid_losses(model)) > 1  # the best weights are still chosen


def overfitted(steps=200, run=None, **settings):
    """A model that learns 300 tokens by heart, with validation text that they say nothing about."""
    noise = np.random.default_rng(0).integers(VOCAB_SIZE, size=800)
    model = network(dropout=0.0, learning_rate=0.02, batch=2, hidden=64, **settings)
    return fit(model, practice_text(300), noise, steps=steps, **(run or {})), noise


def valid_losses(model):
    return [row["valid_nats_per_token"] for row in model.history if "valid_nats_per_token" in row]


def test_the_best_weights_on_validation_text_are_kept():
    model, noise = overfitted()
    losses = valid_losses(model)
    assert min(losses) < losses[-1] - 0.5  # it did overfit
    kept = -model.log_probs(noise)[0].mean()
    assert kept == pytest.approx(min(losses), abs=0.1)
    best = next(row for row in model.history if row.get("valid_nats_per_token") == min(losses))["step"]
    assert f"the weights of step {best} of 200 were kept" in model.remarks[-1]


def test_it_stops_early_when_patience_ends():
    model, _ = overfitted(patience=2)
    losses = valid_losses(model)
    assert model.facts["steps"] < 200
    assert np.argmin(losses) == len(losses) - 3
    assert any("of the budget: 2 validation evaluations without improvement" in remark for remark in model.remarks)


def test_validation_text_that_is_too_short_chooses_nothing_and_is_mentioned():
    model = fit(network(), valid=VALID[:20])
    assert not valid_losses(model)
    assert "20 tokens is too short" in model.remarks[0]


def test_a_refit_chooses_nothing_on_text_that_it_learns():
    assert not valid_losses(fit(network(), train=np.concatenate([TRAIN, VALID]), refit=True))


def test_validation_changes_nothing_in_training():
    with_it, without = (begin(network(cooldown=0.0), valid=valid) for valid in (VALID, NOTHING))
    with_it.train()
    without.train()
    with_it.module.load_weights(with_it.validation.best_weights)
    if with_it.validation.best_step == with_it.step_number:
        assert torch.equal(weights(with_it.module), weights(without.module))
    assert [r["train_nats_per_token"] for r in with_it.history if "train_nats_per_token" in r] == [
        r["train_nats_per_token"] for r in without.history
    ]


class Bar(Progress):
    def __init__(self):
        self.amount, self.notes = 0.0, []

    def advance(self, amount=1, note=""):
        self.amount += amount
        self.notes += [note] if note else []


def test_progress_is_shown_in_bits_per_character_up_to_the_end():
    bar = Bar()
    model = fit(network(), progress=bar, tokens_per_character=0.5)
    assert bar.amount == pytest.approx(1)
    nats = [row["train_nats_per_token"] for row in model.history if "train_nats_per_token" in row]
    assert [note.split(" ")[0] for note in bar.notes] == [f"{loss / math.log(2) / 2:.3f}" for loss in nats]
    assert all("bits/char · " in note and note.endswith(" tokens/s") for note in bar.notes)


def test_metrics_can_be_read_while_it_trains(tmp_path, monkeypatch):
    stop_at(monkeypatch, 12, kill)
    with pytest.raises(Killed):
        fit(network(), folder=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "train_nats_per_token" in row] == list(range(1, 12))
    assert [row["step"] for row in rows if "valid_nats_per_token" in row] == [2, 4, 6, 8, 10]


# ── When the loss is not finite ────────────────────────────────────────────────────────────────────


def test_a_loss_that_is_not_finite_stops_training_with_advice(monkeypatch, tmp_path):
    monkeypatch.setattr(_trainer, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(_trainer, "CHECKPOINT_SHARE", 1e9)

    def spoil(trainer):
        trainer.module.output.weight.data.fill_(math.nan)

    stop_at(monkeypatch, 12, spoil)
    with pytest.raises(
        LmzooError, match=r"weights are not finite numbers at step 12 .*try --learning-rate .*--warmup .*--clip"
    ):
        fit(network(optimizer="adamw", learning_rate=0.005, cooldown=0.8), folder=tmp_path)
    monkeypatch.setattr(_trainer, "CHECKPOINT_EVERY", 1e9)  # noticed by the loss of the next step, not when saving
    with pytest.raises(
        LmzooError, match=r"the loss is not a finite number at step 13 \(learning rate 0.0025\): try "
    ) as caught:
        fit(network(optimizer="adamw", learning_rate=0.005, cooldown=0.8), folder=tmp_path)
    assert "--overwrite begins anew" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_advice_names_muons_rate_too(monkeypatch):
    stop_at(monkeypatch, 12, lambda trainer: trainer.module.output.weight.data.fill_(math.nan))
    with pytest.raises(LmzooError, match=r"try --learning-rate 0\.003 and --matrix-rate 0\.02, "):
        fit(network(optimizer="muon", learning_rate=0.009, matrix_rate=0.06))


def test_weights_that_are_not_finite_are_never_checkpointed(monkeypatch, tmp_path):
    monkeypatch.setattr(_trainer, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(_trainer, "CHECKPOINT_SHARE", 1e9)
    kept = {}

    def spoil(trainer):
        kept["file"] = checkpoint.path(tmp_path).read_bytes()
        next(iter(trainer.module.parameters())).data.view(-1)[0] = math.inf

    stop_at(monkeypatch, 12, spoil)
    with pytest.raises(LmzooError, match="not finite numbers"):
        fit(network(), folder=tmp_path)
    assert checkpoint.path(tmp_path).read_bytes() == kept["file"]


def test_weights_made_infinite_by_the_last_step_are_an_error(monkeypatch):
    stop_at(monkeypatch, 20, lambda trainer: trainer.module.output.weight.data.fill_(math.nan))
    with pytest.raises(LmzooError, match="weights are not finite numbers at step 20"):
        fit(network(), valid=NOTHING)


def test_the_advice_names_an_excessive_learning_rate():
    with pytest.raises(LmzooError, match=r"not (a )?finite number.*--learning-rate 3e\+29"):
        fit(network(learning_rate=1e30, clip=0.0, optimizer="sgd"))


# ── Points of the training that are kept ───────────────────────────────────────────────────────────


class Kept(dict):
    """What `Run.keep` was given: (facts, weights) by step."""

    def __call__(self, model, point):
        self[point["step"]] = (point, {name: value.copy() for name, value in model.arrays().items()})


def same_arrays(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def losses_of(model):
    return [{name: value for name, value in row.items() if "nats" in name} for row in model.history]


@pytest.mark.parametrize("name", NETWORKS)
def test_keeping_points_changes_no_digit_and_the_last_is_the_finished_model(name):
    kept = Kept()
    plain, model = fit(network(name)), fit(network(name), checkpoints=4, keep=kept)
    assert same_weights(plain, model)
    assert losses_of(plain) == losses_of(model)
    assert list(kept) == [1, 3, 20]  # 20/512 and 20/64 of a step are both the first
    assert same_arrays(kept[20][1], model.arrays())
    assert not same_arrays(kept[3][1], model.arrays())
    assert [point for point, _ in kept.values()] == model.facts["checkpoints"]


def test_a_point_is_a_training_that_was_stopped_there_where_the_rate_is_constant():
    """Elsewhere it is not: the learning rate follows the budget."""
    kept, constant = Kept(), {"warmup": 0.0, "cooldown": 0.0}
    fit(network(**constant), valid=NOTHING, checkpoints=4, keep=kept)
    stopped = fit(network(**constant), valid=NOTHING, steps=3)
    assert same_arrays(kept[3][1], stopped.arrays())
    assert kept[3][0]["train_nats_per_token"] == stopped.history[-1]["train_nats_per_token"]
    assert "valid_nats_per_token" not in kept[3][0]


def test_the_last_point_has_the_best_weights_and_their_loss():
    kept = Kept()
    model, noise = overfitted(run={"checkpoints": 10, "keep": kept})
    point, arrays = kept[200]
    assert same_arrays(arrays, model.arrays())
    assert point["valid_nats_per_token"] == pytest.approx(min(valid_losses(model)), abs=1e-6)
    assert -model.log_probs(noise)[0].mean() == pytest.approx(point["valid_nats_per_token"], abs=0.1)


def test_the_clock_stands_still_while_a_point_is_kept(monkeypatch):
    now = [0.0]

    def clock():
        now[0] += 0.001
        return now[0]

    def slow(model, point):
        now[0] += 1000

    monkeypatch.setattr(_trainer.time, "perf_counter", clock)
    model = fit(network(), checkpoints=4, keep=slow)
    assert model.facts["training_seconds"] < 100 < now[0]
    assert [point["step"] for point in model.facts["checkpoints"]] == [1, 3, 20]


def test_the_loss_at_a_point_decides_nothing():
    trainer = begin(network())
    aside = trainer.validation.loss_aside(trainer.module, trainer.compute, 1e9)
    assert (trainer.validation.tokens, trainer.validation.best_weights) == (0, {})
    trainer.validation.size_by(1e9)
    assert aside == trainer.validation.loss(trainer.module, trainer.compute)


@pytest.mark.parametrize("stopped", [2, 11])
def test_a_killed_training_resumes_to_the_same_points(monkeypatch, tmp_path, stopped):
    whole, kept = Kept(), Kept()
    fit(network(dropout=0.3), checkpoints=7, keep=whole)
    with monkeypatch.context() as patch:
        stop_at(patch, stopped + 1, kill)
        with pytest.raises(Killed):
            fit(network(dropout=0.3), checkpoints=7, keep=kept, folder=tmp_path)
    assert list(kept) == [step for step in whole if step <= stopped]
    with pytest.raises(UsageError, match=r"another number of checkpoints to keep \(7, and now 6\)"):
        fit(network(dropout=0.3), checkpoints=6, keep=kept, folder=tmp_path, resume=True)
    model = fit(network(dropout=0.3), checkpoints=7, keep=kept, folder=tmp_path, resume=True)
    assert list(kept) == list(whole) == [point["step"] for point in model.facts["checkpoints"]]
    for step, (point, arrays) in whole.items():
        assert same_arrays(kept[step][1], arrays)
        assert kept[step][0] | {"seconds": 0} == point | {"seconds": 0}


# ── Resuming ─────────────────────────────────────────────────────────────────────────


# A checkpoint holds the state of the optimiser and what the network carries, each by itself: every network with the
# optimiser of its own, and every optimiser with one of the networks.
OPTIMIZERS = {"speedrun": "muon", "lstm": "muon"}
RESUMED = [(name, OPTIMIZERS.get(name, "adamw"), False) for name in NETWORKS]
RESUMED += [("lstm", "adamw", False), ("lstm", "sgd", False), ("lstm", "adamw", True), ("gpt", "adamw", True)]
RESUMED += [("bert", "adamw", False), ("bert", "adamw", True), ("electra", "adamw", False)]


@pytest.mark.parametrize(("name", "optimizer", "lines"), RESUMED)
def test_a_killed_training_resumes_to_the_same_weights_bit_for_bit(name, optimizer, lines, tmp_path, monkeypatch):
    monkeypatch.setattr(_trainer, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(_trainer, "CHECKPOINT_SHARE", 1e9)

    def make():
        return network(name, optimizer=optimizer, dropout=0.3, average=0.6, accumulate=2)

    whole = fit(make(), steps=13, seed=3, lines=lines)
    with monkeypatch.context() as patch:
        stop_at(patch, 9, kill)  # the average has begun
        with pytest.raises(Killed):
            fit(make(), steps=13, seed=3, lines=lines, folder=tmp_path)
    assert checkpoint.path(tmp_path).is_file()
    torch.rand(17)  # where the random numbers stand now must not matter
    resumed = fit(make(), steps=13, seed=3, lines=lines, folder=tmp_path, resume=True)
    assert same_weights(whole, resumed)
    losses = [{key: value for key, value in row.items() if "nats" in key} for row in whole.history]
    assert losses == [{key: value for key, value in row.items() if "nats" in key} for row in resumed.history]
    assert all(losses)
    metrics = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in metrics] == [row["step"] for row in whole.history]


@pytest.mark.parametrize("patience", [0, 6])
def test_the_best_weights_and_the_patience_before_a_stop_count_after_it(tmp_path, monkeypatch, patience):
    whole, _ = overfitted(60, patience=patience)
    with monkeypatch.context() as patch:
        stop_at(patch, 33, lambda trainer: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(KeyboardInterrupt):
            overfitted(60, {"folder": tmp_path}, patience=patience)
    resumed, _ = overfitted(60, {"folder": tmp_path, "resume": True}, patience=patience)
    assert int(np.argmin(valid_losses(whole))) < 5  # before the stop
    assert whole.facts["steps"] == resumed.facts["steps"]
    assert whole.remarks == resumed.remarks
    assert same_weights(whole, resumed)


@pytest.mark.parametrize("name", NETWORKS)
def test_another_seed_gives_other_weights(name):
    one, other = (fit(network(name), steps=2, seed=seed) for seed in (3, 4))
    assert not same_weights(one, other)


@pytest.mark.parametrize("name", ["lstm", "gpt"])
def test_resuming_is_exact_in_bf16_too(name, tmp_path, monkeypatch):
    """What is carried from step to step is then of that type."""
    stop_at(monkeypatch, 9, lambda trainer: os.kill(os.getpid(), signal.SIGTERM) if not trainer.run.resume else None)
    with pytest.raises(KeyboardInterrupt):
        fit(network(name), folder=tmp_path, precision="bfloat16")
    resumed = fit(network(name), folder=tmp_path, precision="bfloat16", resume=True)
    monkeypatch.undo()
    assert same_weights(fit(network(name), precision="bfloat16"), resumed)
    assert not same_weights(fit(network(name), precision="float32"), resumed)


def test_the_losses_since_the_last_report_are_in_the_checkpoint(tmp_path, monkeypatch):
    """Three of 30 steps make a report: step 11 is in the middle of one."""
    monkeypatch.setattr(_trainer, "REPORTS", 10)
    whole = fit(network(window=4), steps=30)
    with monkeypatch.context() as patch:
        stop_at(patch, 11, lambda trainer: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(KeyboardInterrupt):
            fit(network(window=4), steps=30, folder=tmp_path)
    resumed = fit(network(window=4), steps=30, folder=tmp_path, resume=True)
    losses = [[row.get("train_nats_per_token") for row in model.history] for model in (whole, resumed)]
    assert losses[0] == losses[1]


def test_the_first_weights_are_of_the_seed():
    first, same, other = (fit(network(learning_rate=0.0, matrix_rate=0.0), steps=1, seed=n) for n in (1, 1, 2))
    assert same_weights(first, same)
    assert not same_weights(first, other)


def test_seconds_before_a_stop_count_towards_the_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(_trainer, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(_trainer, "CHECKPOINT_SHARE", 1e9)
    with monkeypatch.context() as patch:
        stop_at(patch, 10, kill)
        with pytest.raises(Killed):
            fit(network(), folder=tmp_path, steps=None, seconds=600)
    trainer = begin(network(), folder=tmp_path, steps=None, seconds=600, resume=True)
    trainer.resume()
    assert trainer.step_number == 9
    assert 0 < trainer.earlier_seconds == trainer.seconds < 600


def test_a_requested_stop_saves_and_says_how_to_resume(tmp_path, monkeypatch):
    whole = fit(network(), seed=3)
    with monkeypatch.context() as patch:
        stop_at(patch, 5, lambda trainer: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(KeyboardInterrupt) as caught:
            fit(network(), seed=3, folder=tmp_path)
    assert str(caught.value).startswith("interrupted at step 5, 25% of the budget")
    assert f"{tmp_path}: give the same command with --resume" in str(caught.value)
    assert same_weights(whole, fit(network(), seed=3, folder=tmp_path, resume=True))


def test_a_stop_without_a_folder_says_that_nothing_was_saved(monkeypatch):
    stop_at(monkeypatch, 5, lambda trainer: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match="nothing was saved"):
        fit(network())


def test_resuming_without_a_folder_is_an_error():
    with pytest.raises(UsageError, match="nothing to resume"):
        fit(network(), resume=True)


# ── When memory runs out ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("accumulate", [1, 2])
def test_running_out_of_memory_names_the_largest_part_and_the_batch_that_fits(monkeypatch, accumulate):
    original = _trainer.Trainer._loss_of

    def lacking(trainer, batch, carried):
        if len(batch.ids) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB\nand more lines")
        return original(trainer, batch, carried)

    monkeypatch.setattr(_trainer.Trainer, "_loss_of", lacking)
    with pytest.raises(LmzooError) as caught:
        fit(network(accumulate=accumulate))
    message = str(caught.value)
    assert message.startswith("out of memory: the most goes to ")
    assert "--batch 4 fits, and --accumulate 4 reads the batch of 16 in parts" in message
    assert "\n" not in message
    fit(network(batch=4))
    fit(network(accumulate=4))


def test_the_largest_use_of_memory_is_named():
    wide, deep = begin(network(hidden=4, embedding=4)), begin(network(hidden=512, window=1, batch=1))
    wide.data = Data.of(TRAIN, VALID, 100_000)
    for trainer, words in ((wide, "batch × window × vocabulary, 16 × 16 × 100,000"), (deep, "weights")):
        sizes = trainer._memory_use()
        assert words in max(sizes, key=sizes.get)


def test_another_runtime_error_is_not_taken_for_lack_of_memory(monkeypatch):
    def broken(trainer, batch, carried):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(_trainer.Trainer, "_loss_of", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        fit(network())
