"""The training loop of every network: read a batch, descend the gradient, until the budget is spent.

One step is `Trainer.step`. The rest is what a long run needs: learning rates that follow the budget, validation,
checkpoints from which a killed run resumes to the same bits, several processes, and clear words when a loss is not
finite or memory runs out.
"""

import math
import time
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from lmzoo.errors import LmzooError, UsageError
from lmzoo.interface import Data, Model, Run
from lmzoo.neural import barriers
from lmzoo.neural import device as _device
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.training import memory, optimizers, parallel
from lmzoo.neural.training.advice import advice
from lmzoo.neural.training.batches import Batch
from lmzoo.neural.training.captured import Captured, Queue
from lmzoo.neural.training.config import Training
from lmzoo.neural.training.metrics import LossMeter, MetricsLog, speed
from lmzoo.neural.training.objectives import Loss, Objective
from lmzoo.neural.training.pace import Pace
from lmzoo.neural.training.resuming import Resumable
from lmzoo.neural.training.schedule import Budget, crossed, log_spaced, rate
from lmzoo.neural.training.signals import Interruption
from lmzoo.neural.training.validation import EVALUATIONS, Validation

REPORTS = 100  # of the training loss, evenly over the budget
BAR_UPDATES = 1000  # of the progress bar
CHECKPOINT_EVERY = 60.0  # seconds, but
CHECKPOINT_SHARE = 0.05  # of the time at most
SETTLED = 10  # steps after which the pace is known
HURRIED = "the learning rate fell early, as the clock ({:g} s) seemed to be about to end the training"


class Trained(Protocol):
    """What the trainer asks of a model beside its module."""

    training: Training

    @property
    def name(self) -> str:
        """Of the model."""

    def config(self) -> dict[str, Any]:
        """All settings, flat."""

    def objective(self, vocab_size: int) -> Objective:
        """What it is trained to do."""

    def build(self, vocab_size: int) -> Module:
        """The module with its first weights."""

    def holding(self, module: Module, vocab_size: int) -> Model:
        """A fitted model with the weights of `module`."""


class Trainer(Resumable):
    """Trains `module` on `data.train`, as `model.training` and `run` say, and chooses the best weights on `data.valid`.

    After `train()` the module holds the weights that were chosen; `facts` and `history` say how the training went,
    `remarks` what was not as asked.
    """

    def __init__(self, model: Trained, module: Module, data: Data, run: Run, compute: _device.Compute):
        self.began = time.perf_counter()
        self.model, self.training, self.module, self.data, self.run, self.compute = (
            model, model.training, module, data, run, compute
        )  # fmt: skip
        self.parallel = parallel.choose(compute.device, run.parallel)
        if self.parallel.sharded and data.lines:
            raise UsageError(
                "--parallel sharded reads running text, as lines take each process another number of passes"
            )
        self.parallel.distribute(module, compute.compiled)
        t = self.training
        self.objective = model.objective(data.vocab_size)
        self.batches = self.objective.batches(data.train, t.batch, t.window, run.seed, self.parallel, data.lines)
        self.rows = -(-t.batch // t.accumulate)  # read at once
        self.validation = Validation(self.objective, t, data.valid, run.seed, self.rows, data.lines)
        self.remarks: list[str] = []
        if len(data.valid) and not self.validation.enabled:
            self.remarks.append(
                f"validation text of {len(data.valid)} tokens is too short to choose the best weights by"
            )
        self.budget = Budget.of(run, self.batches.tokens_per_step, module.flops(t.window))
        self.weights = [weight for weight in module.parameters() if weight.requires_grad]
        goes_on = run.start is not None and run.start.arrays is not None
        if not goes_on:  # else it has looked at the text of the run that it goes on from
            module.look_at(data.train)
        self.optimizers = optimizers.create(module, t)
        self.average = optimizers.Average(module)
        whole = compute.compiled and not self.parallel.sharded
        self.loss_of = _device.compiled(self._loss_of, run) if whole else self._loss_of
        self.queue = Queue(compute.device)
        # Lines have batches of many shapes, and parts of a batch add their gradients.
        alike = self.parallel.size == t.accumulate == 1 and not data.lines
        on_gpu = whole and compute.device.type == "cuda"
        self.captured = Captured(self.loss_of, self.weights) if on_gpu and alike else None
        self.peak_flops = _device.peak_flops(compute) * self.parallel.size
        self.losses = LossMeter(compute.device)
        self.pace = Pace(compute.device)
        writes = self.parallel.rank == 0
        self.log = MetricsLog(run.folder, run.tensorboard) if writes else MetricsLog(None, None)
        self.step_number, self.seconds, self.earlier_seconds, self.spent = 0, 0.0, 0.0, 0.0
        self.hurried = False  # the clock changed the learning rate
        self.advice: str | None = "" if goes_on else None  # on its size; None: too early to say
        self.saved, self.seconds_to_save = time.perf_counter(), 0.0
        self.carried: Carried = ()
        self.history: list[dict[str, Any]] = []
        self.marks = log_spaced(run.checkpoints) if run.keep is not None else []  # shares of the budget
        self.points: list[dict[str, Any]] = []  # that were given to `run.keep`
        self.facts: dict[str, Any] = {}

    # ── The loop ──────────────────────────────────────────────────────────────────────────────────

    def train(self) -> None:
        """Train until the budget is spent. Raises LmzooError where the loss is not finite or memory runs out."""
        t = self.training
        torch.manual_seed(self.parallel.seed(self.run.seed))
        if self.run.resume:
            self.resume()
        self.log.begin(self.history)
        work = self.run.progress.task("learning", 1.0)
        with Interruption() as interruption, self.parallel.required(), work as bar:
            bar.advance(self.spent)
            shown = self.spent
            while self.spent < 1:
                attempt = None if self.parallel.sharded else self._attempt
                memory.step_or_advise(self._timed_step, t.batch, t.accumulate, self._memory_use, attempt)
                interruption.to_save = True
                before, stop, save = self._clock(interruption)
                elapsed = max(self.spent, self.seconds / self.budget.seconds)  # whichever will end it
                if crossed(shown, elapsed, BAR_UPDATES):
                    bar.advance(min(elapsed, 1) - shown)
                    shown = elapsed
                if crossed(before, self.spent, REPORTS):
                    bar.advance(0, self._report())
                if crossed(before, self.spent, EVALUATIONS) and self.validation.enabled:
                    self._validate()
                    if self.validation.out_of_patience and self.spent < 1:
                        break
                if self.spent < 1 and any(before < mark <= self.spent for mark in self.marks):
                    self._keep()
                if stop or save:
                    self.save()
                if stop:
                    raise interruption.error(self._how_to_resume())
        self._finish()

    def _timed_step(self) -> None:
        barriers.adapt()
        began = time.perf_counter()
        self.step()
        self.pace.step(time.perf_counter() - began)

    def step(self) -> None:
        """Descend the gradient of the next batch's loss."""
        t = self.training
        self.set_rates()
        mean = self._captured_loss(self.captured) if self.captured else self._loss_of_parts()
        self.parallel.reduce([*(w.grad for w in self.weights if w.grad is not None), mean])
        if t.clip:
            torch.nn.utils.clip_grad_norm_(self.weights, t.clip)
        optimizers.step(self.optimizers)
        self.step_number += 1
        if t.average and self.spent >= 1 - t.average:
            self.average.add()
        self.losses.add(mean, self.step_number)
        self.queue.step()
        if self.compute.device.type == "cpu":  # elsewhere it would synchronise each step: see `_report`
            self._check_loss()

    def set_rates(self) -> None:
        """The learning rates of this step."""
        optimizers.set_rate(self.optimizers, self._share())

    def _share(self) -> float:
        """The learning rate of this step, as a share of its peak."""
        return rate(self.spent, self.training.warmup, self.training.cooldown)

    def _loss_of_parts(self) -> Tensor:
        """Of the next batch; gradients of its parts add up to that of the batch."""
        mean = torch.zeros((), device=self.compute.device)
        for loss, share in self._losses():
            (loss.total * share).backward()
            mean += loss.nats.detach() * share
        return mean

    def _captured_loss(self, captured: Captured) -> Tensor:
        (part,) = self.batches.parts(self.step_number)
        batch = part.to(self.compute.device)
        mean, self.carried = captured(batch, self.objective.state_before(self.module, batch, self.carried))
        return mean

    def _losses(self) -> Iterator[tuple[Loss, float]]:
        """The loss of each part of the next batch, and its share of the batch's tokens."""
        total = self.batches.tokens(self.step_number) / self.parallel.size
        carried, after = self.carried, []
        for part in self.batches.parts(self.step_number, self.training.accumulate):
            rows, share, batch = len(part.ids), part.tokens / total, part.to(self.compute.device)
            before = self.objective.state_before(self.module, batch, tuple(state[:rows] for state in carried))
            loss = self.loss_of(batch, before)
            yield loss, share
            after.append(loss.carried)
            # A part of lines goes on with the part before, one of streams with its rows of the step before.
            carried = loss.carried if self.data.lines else tuple(state[rows:] for state in carried)
        if not self.data.lines:
            self.carried = after[0] if len(after) == 1 else tuple(map(torch.cat, zip(*after, strict=True)))

    def _loss_of(self, batch: Batch, carried: Carried) -> Loss:
        with self.compute.autocast():
            return self.objective.loss(self.module, batch, carried)

    def _clock(self, interruption: Interruption) -> tuple[float, bool, bool]:
        """Read the clock: the share of the budget spent before, whether to stop, and whether to save."""
        now = time.perf_counter()
        due = now - self.saved > max(CHECKPOINT_EVERY, self.seconds_to_save / CHECKPOINT_SHARE)
        own = [self.earlier_seconds + now - self.began, float(interruption.requested), float(due)]
        self.seconds, stop, save = self.parallel.agree(own)
        before, self.spent = self.spent, self.budget.spent(self.step_number, self.seconds)
        self.hurried = self.hurried or self.budget.behind(self.step_number, self.seconds)
        return before, bool(stop), bool(save)

    def _finish(self) -> None:
        """Put the best weights, or the average, into the module, and state the facts."""
        best = self.validation
        if self.spent < 1:
            self.remarks.append(
                f"stopped early at {self.spent:.0%} of the budget: {best.without_improvement} validation evaluations "
                "without improvement"
            )
        if best.best_weights:
            self.module.load_weights(best.best_weights)
            if best.best_step < self.step_number:
                self.remarks.append(
                    f"the weights of step {best.best_step:,} of {self.step_number:,} were kept, which had the lowest "
                    "validation loss"
                )
        elif self.average.count:
            self.average.swap()
        self.check_weights()
        if self.marks:
            self._keep(finished=True)
        self.module = self._whole()
        clock = self.pace.remarks(self.step_number, self.seconds, self.budget, self.batches.tokens_per_step)
        by_steps = self.budget.seconds == math.inf  # then the advice depends on neither pace nor load, nor on a resume
        if by_steps and self.advice is None and self.step_number >= SETTLED:
            self.advice = self._size_advice()
        self.remarks += [self.advice] if self.advice and (by_steps or not self.pace.crowded) else []
        self.remarks += clock or [HURRIED.format(self.budget.seconds)] * self.hurried
        self.facts = {
            "steps": self.step_number,
            "tokens_read": self._tokens(),
            "flops": self._tokens() * self.module.flops(self.training.window),
            "training_seconds": round(self.seconds, 3),
            "device": str(self.compute.device),
            "precision": "bfloat16" if self.compute.bf16 else "float32",
            "compiled": self.compute.compiled,
            "processes": self.parallel.size,
            "other_processes_cores": round(self.pace.load.others(), 2),
            **({"checkpoints": self.points} if self.points else {}),
        }
        self.log.close()

    def _whole(self) -> Module:
        return self.parallel.whole(self.module, lambda: self.model.build(self.data.vocab_size))

    def _keep(self, finished: bool = False) -> None:
        """Give the model as it is now to be kept, and save, so that a killed run keeps it. The clock stands still."""
        began = time.perf_counter()
        self.check_weights()
        unit = self.objective.unit
        reported = [row[f"train_nats_per_{unit}"] for row in self.history if f"train_nats_per_{unit}" in row]
        since = float(self.losses.sum) / self.losses.count if self.losses.count else reported[-1]
        point = self._now() | {f"train_nats_per_{unit}": since}
        if self.validation.enabled:
            loss = self.validation.loss_aside(self.module, self.compute, self._tokens() / self.spent)
            point[f"valid_nats_per_{unit}"] = self.parallel.agree([loss])[0]
        self.points = [*(one for one in self.points if one["step"] < self.step_number), point]
        whole = self._whole()
        if self.run.keep is not None and self.parallel.rank == 0:
            self.run.keep(self.model.holding(whole, self.data.vocab_size), point)
        if not finished:
            self.save()
        self.began += time.perf_counter() - began

    # ── Reports ───────────────────────────────────────────────────────────────────────────────────

    def _report(self) -> str:
        """Write the training loss to the log; returns what the progress bar shows beside it."""
        self._check_loss()
        loss = self.losses.take_mean()
        pace = speed(self.history, self._tokens(), self.seconds)
        unit = self.objective.unit
        figures = {f"train_nats_per_{unit}": loss, "tokens_per_second": round(pace, 1)}
        note = f"{loss / math.log(2):.3f} bits/{unit}"
        if self.run.tokens_per_character and unit == "token":  # bits per blank are no bits of the text
            note = f"{loss / math.log(2) * self.run.tokens_per_character:.3f} bits/char"
        note += f" · {pace:,.0f} tokens/s"
        if self.advice is None and self.pace.steps >= SETTLED:
            self.advice = self._size_advice()
        note = self.advice or note
        if self.peak_flops:
            figures["mfu"] = pace * self.module.flops(self.training.window) / self.peak_flops
            note += f" · {figures['mfu']:.0%} MFU"
        self._write(figures)
        return note

    def _size_advice(self) -> str:
        """Whether the network is too large for its budget, told by the pace of its first steps."""
        steps = min(self.budget.steps, self.budget.seconds / min(self.pace.fastest, self.seconds / self.step_number))
        tokens, slower = steps * self.batches.tokens_per_step, self.budget.steps == math.inf or bool(self.run.flops)
        passes = tokens / max(1, len(self.data.train))
        return advice(self.model, self.module, self.data.vocab_size, tokens, passes, slower)

    def _validate(self) -> None:
        """Measure the loss on validation text and keep the best weights."""
        self.validation.size_by(self._tokens() / self.spent)
        if self.average.count:  # the averaged weights are what would be kept
            self.average.swap()
        loss = self.parallel.agree([self.validation.loss(self.module, self.compute)])[0]
        self.parallel.release(self.module)
        self._write({f"valid_nats_per_{self.objective.unit}": loss})
        self.validation.update(loss, self.step_number, self.module)
        if self.average.count:
            self.average.swap()

    def _tokens(self) -> int:
        return round(self.step_number * self.batches.tokens_per_step)

    def _write(self, figures: dict[str, float]) -> None:
        self.history.append(self._now() | figures)
        self.log.write(self.history[-1])

    def _now(self) -> dict[str, Any]:
        return {"step": self.step_number, "tokens": self._tokens(), "seconds": round(self.seconds, 3)}

    def _check_loss(self) -> None:
        bad = float(self.losses.first_bad_step)
        if bad < math.inf:
            raise LmzooError(f"the loss is not a finite number at step {int(bad):,} {self._advice()}")

    def check_weights(self) -> None:
        """Before weights are kept: a step can make them infinite though its own loss was finite."""
        self._check_loss()
        finite = all(bool(weight.isfinite().all()) for weight in self.weights)
        if not self.parallel.gather(torch.tensor(finite)).all():  # one process may have the rows that are not
            raise LmzooError(f"the weights are not finite numbers at step {self.step_number:,} {self._advice()}")

    def _advice(self) -> str:
        t = self.training
        now = t.learning_rate * self._share()
        muon = f" and --matrix-rate {t.matrix_rate / 3:.1g}" if t.optimizer == "muon" else ""
        clip = "a smaller --clip" if t.clip else "--clip 1"
        saved = self.run.folder and any(self.run.folder.glob("checkpoint.*"))
        folder = f"; {self.run.folder} holds an earlier checkpoint, and --overwrite begins anew" if saved else ""
        return (
            f"(learning rate {now:.2g}): try --learning-rate {t.learning_rate / 3:.1g}{muon}, a longer --warmup or "
            f"{clip}{folder}"
        )

    def _how_to_resume(self) -> str:
        stopped = f"interrupted at step {self.step_number:,}, {self.spent:.0%} of the budget"
        if not self.run.folder:
            return f"{stopped}; nothing was saved"
        return f"{stopped}; the checkpoint is in {self.run.folder}: give the same command with --resume to go on"

    # ── When memory runs out ──────────────────────────────────────────────────────────────────────

    def _forward(self, rows: int) -> Tensor:
        parts = self.batches.parts(self.step_number, -(-self.training.batch // rows))
        batch = max(parts, key=lambda part: part.ids.numel()).to(self.compute.device)
        carried = self.objective.state_before(self.module, batch, self.module.initial_state(len(batch.ids)))
        return self._loss_of(batch, carried).nats

    def _attempt(self, rows: int) -> None:
        """Take a step with that many rows, to see whether it fits; this training is lost anyway."""
        self._forward(rows).backward()
        optimizers.step(self.optimizers)

    def _memory_use(self) -> dict[str, int]:
        """What takes memory, in bytes."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        window, vocab_size, rows = self.training.window, self.data.vocab_size, self.rows
        alone = not self.parallel.sharded  # else a forward pass would wait for the other processes
        activations = rows * memory.activation_bytes(lambda: self._forward(1), self.weights) if alone else 0
        # Themselves, as log-probabilities, and their gradient; an adaptive softmax has far fewer.
        logits = min(activations or 1 << 62, 4 * 3 * rows * window * vocab_size)
        numbers, owners = sum(weight.numel() for weight in self.weights), 1 if alone else self.parallel.size
        return {
            f"the logits of batch × window × vocabulary, {rows} × {window} × {vocab_size:,}": logits,
            f"the activations of batch × window, {rows} × {window} tokens": activations - logits,
            f"the {numbers:,} weights, their gradients and the optimiser's state": 4 * 4 * numbers // owners,
        }
