"""One trainer for every network: read a batch, go down the gradient, until the budget is spent.

What a step does is `Trainer.step`, twenty lines. All else is what a long run needs: a learning rate that rises and
falls with the budget, validation now and then, the best weights kept, checkpoints from which a killed run goes on to
the same numbers, several processes, and a stop in words when the loss is no number any more.
"""

import math
import time
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lmzoo.errors import LmzooError, UsageError
from lmzoo.interface import Ids, Run
from lmzoo.neural import device as _device
from lmzoo.neural.module import Memory, Net
from lmzoo.neural.training import checkpoint, distributed, optimizers
from lmzoo.neural.training import memory as out_of_memory
from lmzoo.neural.training.batches import Batch, Share, Streams, Windows
from lmzoo.neural.training.config import Training
from lmzoo.neural.training.metrics_log import Journal
from lmzoo.neural.training.optimizers import Average
from lmzoo.neural.training.schedule import Budget, rate
from lmzoo.neural.training.signals import Interruption

LOOKS = 10  # at the validation text, evenly over the budget
REPORTS = 100  # of the training loss
RECENT = 5  # reports, over which the speed is taken
VALIDATION_SHARE = 0.01  # of the training tokens, for each look
FEWEST, MOST = 1 << 12, 1 << 16  # validation tokens of a look
CHECKPOINT_EVERY = 60.0  # seconds, and
CHECKPOINT_SHARE = 0.05  # of the time at most
SHOWN = 1000  # steps of the progress bar


# The numbers that the next step depends on, beside the tensors.
RESUMED = ("step_number", "seconds", "spent", "best_loss", "best_step", "stale", "look_tokens", "losses_summed")


class Trained(Protocol):
    """What the trainer asks of a model beside its net."""

    training: Training
    carried: ClassVar[bool]  # whether state is carried from window to window of one text, or windows are shuffled

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def lead(self) -> int:
        """How many ids before a window are its left context."""

    def config(self) -> dict[str, Any]:
        """All settings, flat."""


class Trainer:
    """Trains `net` on ids `train` (N,), with `valid` (M,) to choose the best weights by, as `model` and `run` say.

    `valid` may be empty: then nothing is chosen. After `train()` the net holds what was learned, `facts` and `history`
    say how it went and `remarks` what was not as asked.
    """

    def __init__(
        self, net: Net, model: Trained, train: Ids, valid: Ids, vocab_size: int, run: Run, means: _device.Means
    ):
        self.began = time.perf_counter()
        self.net, self.model, self.run, self.means, self.vocab_size = net, model, run, means, vocab_size
        self.training = model.training
        self.share = distributed.begin(means.device)
        self.train_text, self.valid = train, valid
        self.remarks: list[str] = []
        if 0 < len(valid) < 2 * model.training.window:
            self.valid = valid[:0]
            self.remarks.append(f"validation text of {len(valid)} tokens is too short to choose the best weights by")
        self.read = self._order(train, self.share)
        self.parts = _parts(model.training.batch, model.training.accumulate)
        self.tokens_per_step = model.training.batch * model.training.window * self.share.of
        self.budget = Budget.of(run, self.tokens_per_step, net.flops(model.training.window))
        self.weights = [weight for weight in net.parameters() if weight.requires_grad]
        self.optimizers = optimizers.make(net, model.training)
        self.average = Average(net)
        self.loss_of = _device.compiled(self._loss_of, run) if means.compiled else self._loss_of
        self.peak = _device.matrix_rate(means) * self.share.of
        self.journal = Journal(run.folder, run.tensorboard) if self.share.rank == 0 else Journal(None, None)
        self.step_number, self.seconds, self.earlier_seconds, self.spent = 0, 0.0, 0.0, 0.0
        self.saved, self.seconds_to_save = time.perf_counter(), 0.0
        self.memory: Memory = ()
        self.best: dict[str, Tensor] = {}
        self.best_loss, self.best_step, self.stale, self.look_tokens = math.inf, 0, 0, 0
        self.sum_of_losses = torch.zeros((), device=means.device)
        self.losses_summed = 0
        self.bad_step = torch.full((), math.inf, device=means.device)
        self.history: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}

    def _order(self, text: Ids, share: Share, batch: int | None = None) -> Streams | Windows:
        s, end, batch = self.training, self.vocab_size - 1, batch or self.training.batch
        if self.model.carried:
            return Streams(text, end, batch, s.window, self.run.seed, share)
        return Windows(text, end, batch, s.window, self.model.lead, self.run.seed, share)

    # ── The training ──────────────────────────────────────────────────────────────────────────────

    def train(self) -> None:
        """Train until the budget is spent. Raises LmzooError where the loss stops being a number."""
        torch.manual_seed(distributed.seed_of_this_process(self.run.seed, self.share))
        if self.run.resume:
            self._resume()
        self.journal.begin(self.history)
        with Interruption() as interruption, self.run.progress.task("learning", 1.0) as bar:
            bar.advance(self.spent)
            shown = self.spent
            while self.spent < 1:
                s = self.training
                out_of_memory.or_what_fits(self.step, s.batch, s.accumulate, self._sizes, self._try)
                before, stop, save = self._clock(interruption)
                if _crossed(shown, self.spent, SHOWN):
                    bar.advance(min(self.spent, 1) - shown)
                    shown = self.spent
                if _crossed(before, self.spent, REPORTS):
                    bar.advance(0, self._report())
                if _crossed(before, self.spent, LOOKS) and self._look() and self.spent < 1:
                    break
                if stop or save:
                    self.save()
                if stop:
                    raise KeyboardInterrupt(self._how_to_go_on())
        self._finish()

    def step(self) -> None:
        """One step down the gradient of the loss, nats per token, of the next batch."""
        s = self.training
        optimizers.set_rate(self.optimizers, rate(self.spent, s.warmup, s.cooldown))
        batch = self.read(self.step_number)
        ids, targets = self._put(batch.ids), self._put(batch.targets)
        memory = self._before(batch, ids, self.memory)
        loss, after = torch.zeros((), device=self.means.device), []
        for part in self.parts:
            part_of_batch = (part.stop - part.start) / s.batch
            own = tuple(m[part] for m in memory)
            nats, penalty, left = self.loss_of(ids[part, self.model.lead :], targets[part], own)
            ((nats + penalty) * part_of_batch).backward()
            loss += nats.detach() * part_of_batch
            after.append(left)
        if self.model.carried:
            self.memory = after[0] if len(after) == 1 else tuple(map(torch.cat, zip(*after, strict=True)))
        distributed.mean([*(w.grad for w in self.weights if w.grad is not None), loss], self.share)
        if s.clip:
            torch.nn.utils.clip_grad_norm_(self.weights, s.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step_number += 1
        if s.average and self.spent >= 1 - s.average:
            self.average.add()
        self._remember(loss)

    def _before(self, batch: Batch, ids: Tensor, carried: Memory) -> Memory:
        """What the net remembers before the rows of a batch, whose ids (B, lead + T) are on the device."""
        if self.model.lead:
            return (ids[:, : self.model.lead],)
        return self.net.blank(len(ids)) if batch.fresh else carried

    def _forward(self, rows: int) -> Tensor:
        batch = self.read(self.step_number)
        ids = self._put(batch.ids[:rows])
        memory = self._before(batch, ids, self.net.blank(rows))
        return self._loss_of(ids[:, self.model.lead :], self._put(batch.targets[:rows]), memory)[0]

    def _try(self, rows: int) -> None:
        """Make a step with that many rows, of a training that is lost anyway: does it fit?"""
        self._forward(rows).backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()

    def _sizes(self) -> dict[str, int]:
        """What takes memory, in bytes: for a message about the lack of it."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        s, v = self.training, self.vocab_size
        rows = self.parts[0].stop
        kept = rows * out_of_memory.kept_for_the_gradient(lambda: self._forward(1), self.weights)
        logits = 4 * 3 * rows * s.window * v  # as they are, as log-probabilities and their gradient
        numbers = sum(weight.numel() for weight in self.weights)
        return {
            f"the logits of batch × window × vocabulary, {rows} × {s.window} × {v:,}": logits,
            f"what the layers keep of batch × window, {rows} × {s.window} tokens": kept - logits,
            f"the {numbers:,} weights, their gradients and what the optimiser keeps of them": 4 * 4 * numbers,
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
        # Contiguous, for rows cut from longer ones would be copied once more, out of memory that is not pinned.
        return ids.contiguous().pin_memory().to(self.means.device, non_blocking=True)

    def _clock(self, interruption: Interruption) -> tuple[float, bool, bool]:
        """Look at the clock: the share of the budget that was spent before, whether to stop, and whether to save."""
        now = time.perf_counter()
        due = now - self.saved > max(CHECKPOINT_EVERY, self.seconds_to_save / CHECKPOINT_SHARE)
        told = [self.earlier_seconds + now - self.began, float(interruption.asked), float(due)]
        self.seconds, stop, save = distributed.agree(told, self.share)
        before, self.spent = self.spent, self.budget.spent(self.step_number, self.seconds)
        return before, bool(stop), bool(save)

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
            raise LmzooError(f"the loss became no number at step {int(bad):,} {self._what_to_try()}")

    def _refuse_lost_weights(self) -> None:
        """Before they are kept: a step can have made them infinite though its own loss was not."""
        self._refuse_nonsense()
        if not all(bool(weight.isfinite().all()) for weight in self.weights):
            raise LmzooError(f"the weights became no numbers by step {self.step_number:,} {self._what_to_try()}")

    def _what_to_try(self) -> str:
        s = self.training
        now = s.learning_rate * rate(self.spent, s.warmup, s.cooldown)
        muon = f" and --matrix-rate {s.matrix_rate / 3:.1g}" if s.optimizer == "muon" else ""
        clip = "a smaller --clip" if s.clip else "--clip 1"
        kept = self.run.folder and checkpoint.path(self.run.folder).is_file()
        words = f"; {self.run.folder} holds what was before, and --overwrite begins anew" if kept else ""
        return (
            f"(learning rate {now:.2g}): try --learning-rate {s.learning_rate / 3:.1g}{muon}, a longer --warmup or "
            f"{clip}{words}"
        )

    def _report(self) -> str:
        """Write down how the training goes; returns what is shown beside the progress bar."""
        loss = float(self.sum_of_losses) / self.losses_summed
        self._refuse_nonsense()
        self.sum_of_losses.zero_()
        self.losses_summed = 0
        earlier = self.history[-RECENT] if len(self.history) >= RECENT else {"tokens": 0, "seconds": 0.0}
        speed = (self._tokens() - earlier["tokens"]) / max(self.seconds - earlier["seconds"], 1e-9)
        figures = {"train_nats_per_token": loss, "tokens_per_second": round(speed, 1)}
        shown = f"{loss / math.log(2):.3f} bits/token"
        if self.run.tokens_per_character:
            shown = f"{loss / math.log(2) * self.run.tokens_per_character:.3f} bits/char"
        shown += f" · {speed:,.0f} tokens/s"
        if self.peak:
            figures["mfu"] = speed * self.net.flops(self.training.window) / self.peak
            shown += f" · {figures['mfu']:.0%} MFU"
        self._write(figures)
        return shown

    def _tokens(self) -> int:
        return self.step_number * self.tokens_per_step

    def _write(self, figures: dict[str, float]) -> None:
        when = {"step": self.step_number, "tokens": self._tokens(), "seconds": round(self.seconds, 3)}
        facts = when | figures
        self.history.append(facts)
        self.journal.write(facts)

    def _look(self) -> bool:
        """Measure the loss on the validation text and keep the best weights; whether patience is at its end."""
        if not len(self.valid):
            return False
        if not self.look_tokens:
            share = min(max(VALIDATION_SHARE * self._tokens() / self.spent, FEWEST), MOST)
            self.look_tokens = int(max(share, 2 * self.training.window))
        if self.average.count:
            self.average.swap()
        loss = distributed.agree([self.validation_loss()], self.share)[0]
        self._write({"valid_nats_per_token": loss})
        if loss < self.best_loss:
            self.best_loss, self.best_step, self.stale = loss, self.step_number, 0
            # On the CPU, where there is more room for them.
            self.best = {name: value.to("cpu", copy=True) for name, value in self.net.weights().items()}
        else:
            self.stale += 1
        if self.average.count:
            self.average.swap()
        return 0 < self.training.patience <= self.stale

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Nats per token of the first validation tokens, read in parallel pieces: to choose by, not to report."""
        text = self.valid[: self.look_tokens]
        rows = max(1, min(self.parts[0].stop, len(text) // (2 * self.training.window)))
        order = self._order(text, Share(), rows)
        self.net.eval()
        total, memory = torch.zeros((), device=self.means.device), self.net.blank(rows)
        for step in range(order.per_pass):
            batch = order(step)
            ids = self._put(batch.ids)
            memory = self._before(batch, ids, memory)
            nats, _, memory = self._loss_of(ids[:, self.model.lead :], self._put(batch.targets), memory)
            total += nats
        self.net.train()
        return float(total) / order.per_pass

    def _finish(self) -> None:
        """Leave the best weights in the net, or the mean of the last ones, and the facts."""
        if self.spent < 1:
            self.remarks.append(
                f"stopped at {self.spent:.0%} of the budget: {self.stale} times the validation text was no likelier"
            )
        if self.best:
            self.net.put_weights(self.best)
            if self.best_step < self.step_number:
                self.remarks.append(
                    f"the weights of step {self.best_step:,} of {self.step_number:,} were kept: after them the "
                    "validation text became no likelier"
                )
        elif self.average.count:
            self.average.swap()
        self._refuse_lost_weights()
        self.facts = {
            "steps": self.step_number,
            "tokens_read": self._tokens(),
            "flops": self._tokens() * self.net.flops(self.training.window),
            "training_seconds": round(self.seconds, 3),
            "device": str(self.means.device),
            "precision": "bfloat16" if self.means.bf16 else "float32",
            "compiled": self.means.compiled,
            "processes": self.share.of,
        }
        self.journal.close()

    # ── Going on ──────────────────────────────────────────────────────────────────────────────────

    def _how_to_go_on(self) -> str:
        done = f"interrupted at step {self.step_number:,}, {self.spent:.0%} of the budget"
        if not self.run.folder:
            return f"{done}; nothing was kept"
        return f"{done}; all of it is in {self.run.folder}: give the same command with --resume to go on"

    @cached_property
    def _fingerprint(self) -> dict[str, Any]:
        s, texts = self.model, {"training": self.train_text, "validation": self.valid}
        return checkpoint.fingerprint(s.name, s.config(), texts, self.vocab_size, self.run, self.means, self.share)

    def save(self) -> None:
        """Write a checkpoint: all that the next step depends on, of every process, in one file."""
        if not self.run.folder:
            return
        began = time.perf_counter()
        self._refuse_lost_weights()
        own = {f"memory.{n}": value for n, value in enumerate(self.memory)}
        own |= {f"random.{key}": value for key, value in checkpoint.of_random_numbers(self.means.device).items()}
        of_each = {f"each.{name}": distributed.gather(value, self.share) for name, value in own.items()}
        if self.share.rank == 0:
            tensors = {
                **{f"net.{name}": value for name, value in self.net.weights().items()},
                **{f"best.{name}": value for name, value in self.best.items()},
                **{f"mean.{n}": value for n, value in enumerate(self.average.mean)},
                **checkpoint.of_optimizers(self.optimizers),
                **of_each,
                "sum_of_losses": self.sum_of_losses,
            }
            facts = {"of": self._fingerprint, "averaged": self.average.count, "history": self.history}
            facts |= {name: getattr(self, name) for name in RESUMED}
            checkpoint.write(self.run.folder, tensors, facts)
        self.saved = time.perf_counter()
        self.seconds_to_save = self.saved - began

    def _resume(self) -> None:
        if not self.run.folder:
            raise UsageError("there is nothing to resume: this run has no folder for checkpoints")
        tensors, facts = checkpoint.read(self.run.folder, self._fingerprint)
        device = self.means.device
        self.net.put_weights(checkpoint.part(tensors, "net"))
        self.best = checkpoint.part(tensors, "best")
        mean = checkpoint.part(tensors, "mean")
        self.average.mean = [mean[str(n)].to(device) for n in range(len(mean))]
        self.average.count = facts["averaged"]
        own = {name: value[self.share.rank].clone() for name, value in checkpoint.part(tensors, "each").items()}
        memory = checkpoint.part(own, "memory")
        self.memory = tuple(memory[str(n)].to(device) for n in range(len(memory)))
        checkpoint.to_optimizers(self.optimizers, tensors)
        checkpoint.to_random_numbers(device, checkpoint.part(own, "random"))
        self.sum_of_losses = tensors["sum_of_losses"].to(device)
        for name in RESUMED:
            setattr(self, name, facts[name])
        self.earlier_seconds, self.history = self.seconds, facts["history"]


def _parts(batch: int, parts: int) -> list[slice]:
    """The rows of a batch in so many parts, the first ones at most one row longer than the others."""
    ends = [-(-batch * n // parts) for n in range(parts + 1)]
    return [slice(begin, end) for begin, end in pairwise(ends)]


def _crossed(before: float, after: float, marks: int) -> bool:
    """Whether one of `marks` even marks lies between two shares of the budget; the end is one."""
    return math.floor(before * marks) < math.floor(min(after, 1.0) * marks)
