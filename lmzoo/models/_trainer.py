"""One trainer for every network: read a batch, go down the gradient, until the budget is spent.

What a step does is `Trainer.step`, twenty lines. All else is what a long run needs: a learning rate that rises and
falls with the budget, validation now and then, the best weights kept, checkpoints from which a killed run goes on to
the same numbers, several processes, and a stop in words when the loss is no number any more.
"""

import math
import time
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lmzoo.errors import LmzooError, UsageError
from lmzoo.interface import Ids, Run
from lmzoo.models import _checkpoint, _device, _optimizers, _out_of_memory, _together
from lmzoo.models._batches import Share, Streams, Windows
from lmzoo.models._budget import Budget, rate
from lmzoo.models._interrupt import Interruption
from lmzoo.models._journal import Journal
from lmzoo.models._net import Memory, Net
from lmzoo.models._optimizers import Average

LOOKS = 10  # at the validation text, evenly over the budget
REPORTS = 100  # of the training loss
RECENT = 5  # reports, over which the speed is taken
VALIDATION_SHARE = 0.01  # of the training tokens, for each look
FEWEST, MOST = 1 << 12, 1 << 16  # validation tokens of a look
CHECKPOINT_EVERY = 60.0  # seconds


class Settings(_optimizers.Settings, Protocol):
    """What of a model's fields concerns its training."""

    batch: int
    window: int
    accumulate: int
    warmup: float
    cooldown: float
    clip: float
    average: float
    patience: int

    @property
    def carried(self) -> bool:
        """Whether memory is carried from window to window of one text, or windows come in random order."""

    @property
    def lead(self) -> int:
        """How many ids before a window are its memory."""

    def config(self) -> dict[str, Any]:
        """All settings."""


# The numbers that the next step depends on, beside the tensors.
RESUMED = ("step_number", "seconds", "spent", "best_loss", "best_step", "stale", "look_tokens", "losses_summed")


class Trainer:
    """Trains `net` on ids `train` (N,) with `valid` (M,) to choose the best weights by, as `settings` and `run` say.

    `valid` may be empty: then nothing is chosen. After `train()` the net holds what was learned, `facts` and `history`
    say how it went and `remarks` what was not as asked.
    """

    def __init__(
        self, net: Net, settings: Settings, train: Ids, valid: Ids, vocab_size: int, run: Run, means: _device.Means
    ):
        self.began = time.perf_counter()
        self.net, self.settings, self.run, self.means, self.vocab_size = net, settings, run, means, vocab_size
        self.share = _together.begin(means.device)
        self.read = self._order(train, self.share)
        self.valid = valid
        self.tokens_per_step = settings.batch * settings.window * self.share.of
        self.budget = Budget.of(run, self.tokens_per_step, net.flops(settings.window))
        self.optimizers = _optimizers.make(net, settings, vocab_size)
        self.average = Average(net)
        self.loss_of = torch.compile(self._loss_of) if means.compiled else self._loss_of
        self.peak = _device.matrix_rate(means) if means.device.type == "cuda" else 0.0
        self.fingerprint = _checkpoint.fingerprint(settings.config(), train, vocab_size, run, self.share)
        self.journal = Journal(run.folder, run.tensorboard)
        self.step_number, self.seconds, self.earlier_seconds, self.spent = 0, 0.0, 0.0, 0.0
        self.memory: Memory = ()
        self.best: dict[str, Tensor] = {}
        self.best_loss, self.best_step, self.stale, self.look_tokens = math.inf, 0, 0, 0
        self.sum_of_losses = torch.zeros((), device=means.device)
        self.losses_summed = 0
        self.bad_step = torch.full((), math.inf, device=means.device)
        self.history: list[dict[str, Any]] = []
        self.remarks: list[str] = []
        self.facts: dict[str, Any] = {}

    def _order(self, text: Ids, share: Share, batch: int | None = None) -> Streams | Windows:
        s, end, batch = self.settings, self.vocab_size - 1, batch or self.settings.batch
        if s.carried:
            return Streams(text, end, batch, s.window, self.run.seed, share)
        return Windows(text, end, batch, s.window, s.lead, self.run.seed, share)

    # ── The training ──────────────────────────────────────────────────────────────────────────────

    def train(self) -> None:
        """Train until the budget is spent. Raises LmzooError where the loss stops being a number."""
        torch.manual_seed(_together.seed_of_this_process(self.run.seed, self.share))
        if self.run.resume:
            self._resume()
        saved = time.perf_counter()
        with Interruption() as interruption, self.run.progress.task("learning", 1.0) as bar:
            bar.advance(self.spent)
            while self.spent < 1:
                _out_of_memory.or_what_fits(self.step, self.settings.batch, self._sizes, self._try)
                before, stop = self._clock(interruption)
                bar.advance(min(self.spent, 1) - before)
                if _crossed(before, self.spent, REPORTS):
                    bar.advance(0, self._report())
                if _crossed(before, self.spent, LOOKS) and self._look() and self.spent < 1:
                    break
                if self.run.folder and (stop or time.perf_counter() - saved > CHECKPOINT_EVERY):
                    self.save()
                    saved = time.perf_counter()
                if stop:
                    raise KeyboardInterrupt(self._how_to_go_on())
        self._finish()

    def step(self) -> None:
        """One step down the gradient of the loss, nats per token, of the next batch."""
        s = self.settings
        _optimizers.set_rate(self.optimizers, rate(self.spent, s.warmup, s.cooldown))
        batch = self.read(self.step_number)
        if s.lead:
            self.memory = (self._put(batch.ids[:, : s.lead]),)
        elif batch.fresh:
            self.memory = self.net.blank(s.batch)
        loss, memories = torch.zeros((), device=self.means.device), []
        for rows in torch.arange(s.batch).chunk(s.accumulate):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            ids, targets = self._put(batch.ids[part, s.lead :]), self._put(batch.targets[part])
            nats, penalty, memory = self.loss_of(ids, targets, tuple(m[part] for m in self.memory))
            ((nats + penalty) / s.accumulate).backward()
            loss += nats.detach() / s.accumulate
            memories.append(memory)
        if s.carried:
            self.memory = tuple(torch.cat(parts) for parts in zip(*memories, strict=True))
        _together.mean_gradients(self.net.parameters(), self.share)
        if s.clip:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), s.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step_number += 1
        if s.average and self.spent >= 1 - s.average:
            self.average.add()
        self._remember(loss)

    def _try(self, rows: int) -> None:
        """Go forth and back with that many rows: does it fit?"""
        batch = self.read(self.step_number)
        memory = (self._put(batch.ids[:rows, : self.settings.lead]),) if self.settings.lead else self.net.blank(rows)
        ids = self._put(batch.ids[:rows, self.settings.lead :])
        self._loss_of(ids, self._put(batch.targets[:rows]), memory)[0].backward()

    def _sizes(self) -> dict[str, int]:
        """What takes memory, in numbers: for a message about the lack of it."""
        s, v = self.settings, self.vocab_size
        weights = sum(weight.numel() for weight in self.net.parameters())
        return {
            f"the logits of {s.batch} × {s.window} tokens × {v:,} to choose from": 3 * s.batch * s.window * v,
            f"{weights:,} weights, their gradients and what the optimiser keeps": 4 * weights,
        }

    def _loss_of(self, ids: Tensor, targets: Tensor, memory: Memory) -> tuple[Tensor, Tensor | float, Memory]:
        """Mean nats per token of `targets` (B, T), what the net adds to them, and its memory after."""
        with self.means.autocast():
            hidden, memory = self.net(ids, memory)
            logits = self.net.head(hidden)
        nats = cross_entropy(logits.float().flatten(0, -2), targets.flatten())
        return nats, self.net.penalty(hidden), tuple(m.detach() for m in memory)

    def _put(self, ids: Tensor) -> Tensor:
        if self.means.device.type != "cuda":
            return ids.to(self.means.device)
        return ids.pin_memory().to(self.means.device, non_blocking=True)

    def _clock(self, interruption: Interruption) -> tuple[float, bool]:
        """Look at the clock: the share of the budget that was spent before, and whether to stop."""
        now = self.earlier_seconds + time.perf_counter() - self.began
        self.seconds, stop = _together.agree([now, float(interruption.asked)], self.share)
        before, self.spent = self.spent, self.budget.spent(self.step_number, self.seconds)
        return before, bool(stop)

    # ── What is seen of it ────────────────────────────────────────────────────────────────────────

    def _remember(self, loss: Tensor) -> None:
        """Add up the loss, and keep the first step where it was no number, without waiting for a GPU."""
        self.sum_of_losses += loss
        self.losses_summed += 1
        bad = torch.where(torch.isfinite(loss), math.inf, float(self.step_number))
        self.bad_step = torch.minimum(self.bad_step, bad)
        if self.means.device.type == "cpu":
            self._refuse_nonsense()

    def _refuse_nonsense(self) -> None:
        bad = float(self.bad_step)
        if bad < math.inf:
            s = self.settings
            now = s.learning_rate * rate(self.spent, s.warmup, s.cooldown)
            kept = f"; the checkpoint in {self.run.folder} is from before" if self._has_checkpoint() else ""
            raise LmzooError(
                f"the loss became no number at step {int(bad)} (learning rate {now:.2g}): try --learning-rate "
                f"{s.learning_rate / 3:.1g}, a longer --warmup or a smaller --clip{kept}"
            )

    def _report(self) -> str:
        """Write down how the training goes; returns what is shown beside the progress bar."""
        loss = float(_together.mean(self.sum_of_losses / self.losses_summed, self.share))
        self._refuse_nonsense()
        self.sum_of_losses.zero_()
        self.losses_summed = 0
        earlier = self.history[-RECENT] if len(self.history) >= RECENT else {"tokens": 0, "seconds": 0.0}
        speed = (self._tokens() - earlier["tokens"]) / max(self.seconds - earlier["seconds"], 1e-9)
        self._write({"train_nats_per_token": loss, "tokens_per_second": round(speed, 1)})
        bits = loss / math.log(2)
        shown = f"{bits:.3f} bits/token"
        if self.run.tokens_per_character:
            shown = f"{bits * self.run.tokens_per_character:.3f} bits/char"
        shown += f" · {speed:,.0f} tokens/s"
        return shown + (f" · {self._utilisation(speed):.0%} MFU" if self.peak else "")

    def _utilisation(self, tokens_per_second: float) -> float:
        return tokens_per_second * self.net.flops(self.settings.window) / self.peak

    def _tokens(self) -> int:
        return self.step_number * self.tokens_per_step

    def _write(self, figures: dict[str, float]) -> None:
        when = {"step": self.step_number, "tokens": self._tokens(), "seconds": round(self.seconds, 3)}
        facts = when | figures
        self.history.append(facts)
        if self.share.rank == 0:
            self.journal.write(facts)

    def _look(self) -> bool:
        """Measure the loss on the validation text and keep the best weights; whether patience is at its end."""
        if not len(self.valid):
            return False
        if not self.look_tokens:
            self.look_tokens = int(min(max(VALIDATION_SHARE * self._tokens() / self.spent, FEWEST), MOST))
        if self.average.count:
            self.average.swap()
        loss = self.validation_loss()
        self._write({"valid_nats_per_token": loss})
        if loss < self.best_loss:
            self.best_loss, self.best_step, self.stale = loss, self.step_number, 0
            self.best = {name: value.clone() for name, value in self.net.weights().items()}
        else:
            self.stale += 1
        if self.average.count:
            self.average.swap()
        return 0 < self.settings.patience <= self.stale

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Nats per token of the first validation tokens, read in parallel pieces: to choose by, not to report."""
        text = self.valid[: self.look_tokens]
        rows = max(1, min(self.settings.batch, len(text) // (2 * self.settings.window)))
        if len(text) < 2 * self.settings.window:
            return math.inf
        order = self._order(text, Share(), rows)
        self.net.eval()
        total, memory = torch.zeros((), device=self.means.device), self.net.blank(rows)
        for step in range(order.per_pass):
            batch = order(step)
            if self.settings.lead:
                memory = (self._put(batch.ids[:, : self.settings.lead]),)
            elif not self.settings.carried:
                memory = self.net.blank(rows)
            ids = self._put(batch.ids[:, self.settings.lead :])
            nats, _, memory = self._loss_of(ids, self._put(batch.targets), memory)
            total += nats
        self.net.train()
        return float(total) / order.per_pass

    def _finish(self) -> None:
        """Leave the best weights in the net, or the mean of the last ones, and the facts."""
        if self.best:
            self.net.put_weights(self.best)
            if self.best_step < self.step_number:
                self.remarks.append(
                    f"the weights of step {self.best_step:,} of {self.step_number:,} were kept: after them the "
                    "validation text became no likelier"
                )
        elif self.average.count:
            self.average.swap()
        self.facts = {
            "steps": self.step_number,
            "tokens_read": self._tokens(),
            "flops": self._tokens() * self.net.flops(self.settings.window),
            "device": str(self.means.device),
            "precision": "bfloat16" if self.means.bf16 else "float32",
            "compiled": self.means.compiled,
            "processes": self.share.of,
        }
        self.journal.close()

    # ── Going on ──────────────────────────────────────────────────────────────────────────────────

    def _has_checkpoint(self) -> bool:
        return bool(self.run.folder and (self.run.folder / _checkpoint.name(self.share.rank)).is_file())

    def _how_to_go_on(self) -> str:
        done = f"interrupted at step {self.step_number:,}, {self.spent:.0%} of the budget"
        if not self.run.folder:
            return f"{done}; nothing was kept"
        return f"{done}; all of it is in {self.run.folder}: give the same command with --resume to go on"

    def save(self) -> None:
        """Write a checkpoint: all that the next step depends on."""
        if not self.run.folder:
            return
        self._refuse_nonsense()
        tensors = {
            **{f"net.{name}": value for name, value in self.net.weights().items()},
            **{f"best.{name}": value for name, value in self.best.items()},
            **{f"mean.{n}": value for n, value in enumerate(self.average.mean)},
            **{f"memory.{n}": value for n, value in enumerate(self.memory)},
            **_checkpoint.of_optimizers(self.optimizers),
            **_checkpoint.of_random_numbers(self.means.device),
            "sum_of_losses": self.sum_of_losses,
        }
        facts = {"of": self.fingerprint, "averaged": self.average.count, "history": self.history}
        facts |= {name: getattr(self, name) for name in RESUMED}
        _checkpoint.write(self.run.folder, tensors, facts, self.share.rank)

    def _resume(self) -> None:
        if not self.run.folder:
            raise UsageError("there is nothing to resume: this run has no folder for checkpoints")
        tensors, facts = _checkpoint.read(self.run.folder, self.fingerprint, self.share.rank)
        device = self.means.device
        self.net.put_weights(_checkpoint.part(tensors, "net"))
        self.best = {name: value.to(device) for name, value in _checkpoint.part(tensors, "best").items()}
        mean, memory = _checkpoint.part(tensors, "mean"), _checkpoint.part(tensors, "memory")
        self.average.mean = [mean[str(n)].to(device) for n in range(len(mean))]
        self.average.count = facts["averaged"]
        self.memory = tuple(memory[str(n)].to(device) for n in range(len(memory)))
        _checkpoint.to_optimizers(self.optimizers, tensors)
        _checkpoint.to_random_numbers(device, tensors)
        self.sum_of_losses = tensors["sum_of_losses"].to(device)
        for name in RESUMED:
            setattr(self, name, facts[name])
        self.earlier_seconds, self.history = self.seconds, facts["history"]
        self.journal.go_on(self.history)


def _crossed(before: float, after: float, marks: int) -> bool:
    """Whether one of `marks` even marks lies between two shares of the budget; the end is one."""
    return math.floor(before * marks) < math.floor(min(after, 1.0) * marks)
