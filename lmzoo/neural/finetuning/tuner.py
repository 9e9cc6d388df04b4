"""Training a network with a head: the trainer of every network, on labelled texts instead of running text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from lmzoo.errors import LmzooError
from lmzoo.interface import Run
from lmzoo.neural.device import Compute
from lmzoo.neural.finetuning.heads import Tuned
from lmzoo.neural.finetuning.inputs import Batch, Labelled, Passes
from lmzoo.neural.finetuning.layers import Layers
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.training import optimizers
from lmzoo.neural.training.metrics import LossMeter
from lmzoo.neural.training.objectives import Loss
from lmzoo.neural.training.parallel import Parallel
from lmzoo.neural.training.schedule import rate
from lmzoo.neural.training.trainer import Trained, Trainer
from lmzoo.neural.training.validation import Validation

CUT_FRACTION, RATIO = 0.1, 32  # of the slanted triangular schedule (Howard & Ruder 2018, section 3.2)
AT_ONCE = 1 << 13  # ids that are read in one batch where nothing is learned


class LabelledData(NamedTuple):
    """What the trainer is given in place of a corpus."""

    train: Labelled
    valid: Labelled
    vocab_size: int
    lines: bool = True  # each example is a text of its own


@dataclass(frozen=True)
class Schedule:
    """What learns when, and how fast."""

    layers: Layers
    epochs: int
    decay: float = 1.0  # see `Layers.rate`
    slanted: bool = False  # a slanted triangle, else the trainer's warm-up and cool-down
    unfreeze: bool = False  # one more layer in each epoch, from the head down

    def rate(self, spent: float, warmup: float, cooldown: float) -> float:
        """The share of the peak learning rate when so much of the budget is spent."""
        if not self.slanted:
            return rate(spent, warmup, cooldown)
        rising, falling = spent / CUT_FRACTION, (1 - spent) / (1 - CUT_FRACTION)
        return (1 + max(0.0, min(rising, falling)) * (RATIO - 1)) / RATIO

    def lowest(self, spent: float) -> int:
        """The lowest depth that learns."""
        return max(0, self.layers.unfrozen_from(int(spent * self.epochs))) if self.unfreeze else 0


@dataclass(frozen=True)
class Labels:
    """−log P(label | text), or the squared error of a number; and λ times the language model's loss."""

    vocab_size: int
    language_model: float  # λ

    unit: ClassVar[str] = "label"

    def batches(self, text: Any, batch: int, window: int, seed: int, parallel: Parallel, lines: bool) -> Any:  # noqa: ARG002
        """Passes over labelled examples."""
        return Passes(text, batch, seed, parallel)

    def state_before(self, module: Module, batch: Any, carried: Carried) -> Carried:  # noqa: ARG002
        """Every text begins anew."""
        return module.initial_state(len(batch.ids))

    def loss(self, module: Any, batch: Any, carried: Carried) -> Loss:
        """Mean over the labels; L3 = L2 + λ L1 of Radford et al. 2018 with both as means."""
        hidden, _ = module(batch.ids, carried)  # (M, T, D)
        outputs = module.outputs(module.vectors(hidden, batch), batch.counts)  # (L, C)
        extra = dict(module.auxiliary_losses(hidden))
        if self.language_model:
            extra["language model"] = self.language_model * self._next_tokens(module.network, hidden, batch)
        return Loss(label_loss(outputs, batch.labels), extra, ())

    def _next_tokens(self, network: Module, hidden: Tensor, batch: Batch) -> Tensor:
        """−log P of each token but the first and the markers: the mean of each sequence, then that of the batch."""
        targets = batch.ids[:, 1:]
        places = torch.arange(targets.shape[1], device=targets.device)
        known = (places < batch.lengths[:, None] - 1) & (targets < self.vocab_size)  # (M, T - 1)
        logits = network.head(hidden[:, :-1][known]).float()
        nats = cross_entropy(logits, targets[known], reduction="none")
        row = known.nonzero()[:, 0]
        sums = nats.new_zeros(len(known)).index_add(0, row, nats)  # (M,)
        return (sums / known.sum(1).clamp(min=1)).mean()


def label_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Of outputs (L, C): mean −log P of the classes; or, where labels are numbers, mean squared error."""
    if labels.is_floating_point():
        return mse_loss(outputs[:, 0].float(), labels.float())
    return cross_entropy(outputs.float(), labels)


class Choice(Validation):
    """The best weights by what they get wrong of held-out examples."""

    at_once: int

    @torch.no_grad()
    def look(self, module: Tuned, compute: Compute) -> tuple[float, Mapping[str, float]]:
        """What to choose by, lower being better, and figures to report."""
        examples = cast("Labelled", self.text)
        module.eval()
        nats, wrong, numbers = 0.0, 0, False
        for group in examples.by_length(AT_ONCE):
            batch = examples.batch(group).to(compute.device)
            with compute.autocast():
                hidden, _ = module(batch.ids, module.initial_state(len(batch.ids)))
                outputs = module.outputs(module.vectors(hidden, batch), batch.counts)
            nats += float(label_loss(outputs, batch.labels)) * len(batch.labels)
            numbers = batch.labels.is_floating_point()
            wrong += 0 if numbers else int((outputs.argmax(1) != batch.labels).sum())
        module.train()
        nats, count = nats / len(examples.labels), len(examples.labels)
        if numbers:
            return nats, {"valid_squared_error": nats}
        # Of weights that get as many wrong, those with the lower loss: it counts for less than one example.
        return wrong + nats / (1 + nats), {"valid_nats_per_label": nats, "valid_accuracy": 1 - wrong / count}


class Tuner(Trainer):
    """Trains a `Tuned` on labelled examples, as `model.training`, `schedule` and `run` say.

    Where the loss is not finite the best weights before that stand, if validation examples chose any.
    """

    def __init__(
        self, model: Trained, module: Tuned, data: LabelledData, run: Run, compute: Compute, schedule: Schedule
    ):
        super().__init__(model, module, cast("Any", data), run, compute)
        self.schedule, self.advice = schedule, ""
        self.validation = Choice(
            self.objective, self.training, cast("Any", data.valid), run.seed, self.rows, lines=True
        )
        self.depth = schedule.layers.of(module)
        shares = {key: schedule.layers.rate(depth, schedule.decay) for key, depth in self.depth.items()}
        optimizers.split(self.optimizers, shares)
        self.lowest = -1
        self.diverged = False

    def train(self) -> None:
        """Train until the budget is spent. Raises LmzooError where the loss is not finite and nothing was chosen."""
        try:
            super().train()
        except LmzooError as error:
            if not self.diverged or not self.validation.best_weights:
                raise
            self.remarks.append(f"{error}; the best weights before that stand")
            self.losses, self.spent = LossMeter(self.compute.device), 1.0
            self._finish()

    def set_rates(self) -> None:
        """Those of this step; and whether a layer learns yet."""
        super().set_rates()
        if (lowest := self.schedule.lowest(self.spent)) != self.lowest:
            self.lowest = lowest
            for weight in self.weights:
                weight.requires_grad_(self.depth[id(weight)] >= lowest)

    def _share(self) -> float:
        return self.schedule.rate(self.spent, self.training.warmup, self.training.cooldown)

    def _check_loss(self) -> None:
        try:
            super()._check_loss()
        except LmzooError:
            self.diverged = True
            raise

    def _advice(self) -> str:
        now, lower = (self.training.learning_rate * share for share in (self._share(), 1 / 3))
        return f"(learning rate {now:.2g}): try --settings learning_rate={lower:.1g}"

    def _finish(self) -> None:
        for weight in self.weights:
            weight.requires_grad_(True)
        super()._finish()
        del self.facts["tokens_read"], self.facts["flops"]
        self.facts["labels_read"] = self._tokens()

    # ── Reports ───────────────────────────────────────────────────────────────────────────────────

    def _now(self) -> dict[str, Any]:
        return {"step": self.step_number, "labels": self._tokens(), "seconds": round(self.seconds, 3)}

    def _report(self) -> str:
        self._check_loss()
        loss = self.losses.take_mean()
        self._write({"train_nats_per_label": loss})
        return f"{loss:.3f} nats/label"

    def _validate(self) -> None:
        if self.average.count:  # the averaged weights are what would be kept
            self.average.swap()
        score, figures = cast("Choice", self.validation).look(cast("Tuned", self.module), self.compute)
        self._write(dict(figures))
        self.validation.update(score, self.step_number, self.module)
        if self.average.count:
            self.average.swap()
