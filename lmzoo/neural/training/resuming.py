"""Saving and resuming a training: all that its next step depends on, in a checkpoint."""

import time
from functools import cached_property
from typing import Any

import torch

from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.neural.device import Compute
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.training import checkpoint, shards
from lmzoo.neural.training.metrics import LossMeter
from lmzoo.neural.training.optimizers import Average
from lmzoo.neural.training.parallel import Parallel
from lmzoo.neural.training.validation import Validation


class Resumable:
    """A training that can be saved after any step, and resumed to the same bits. The trainer has these attributes."""

    model: Any
    module: Module
    data: Data
    run: Run
    compute: Compute
    parallel: Parallel
    optimizers: list[torch.optim.Optimizer]
    average: Average
    validation: Validation
    losses: LossMeter
    carried: Carried  # the state that the next step goes on from
    step_number: int
    seconds: float
    earlier_seconds: float  # of which before it was resumed
    spent: float  # share of the budget
    history: list[dict[str, Any]]
    points: list[dict[str, Any]]
    saved: float  # when
    seconds_to_save: float

    def check_weights(self) -> None:
        """Raise LmzooError where a weight is not finite: no checkpoint has such ones."""
        raise NotImplementedError

    @cached_property
    def _fingerprint(self) -> dict[str, Any]:
        return checkpoint.fingerprint(
            self.model.name, self.model.config(), self.data, self.run, self.compute, self.parallel
        )

    def save(self) -> None:
        """Write a checkpoint: all that the next step depends on, of every process, in one file."""
        if not self.run.folder:
            return
        began = time.perf_counter()
        self.check_weights()
        own = {f"carried.{n}": value for n, value in enumerate(self.carried)}
        own |= {f"random.{key}": value for key, value in checkpoint.rng_state(self.compute.device).items()}
        v = self.validation
        tensors = {
            **{f"module.{name}": value for name, value in self.module.weights().items()},
            **{f"best.{name}": value for name, value in v.best_weights.items()},
            **{f"mean.{n}": value for n, value in enumerate(self.average.mean)},
            **checkpoint.optimizer_state(self.optimizers),
            **{f"each.{name}": self.parallel.gather(value) for name, value in own.items()},  # (processes, …)
            "sum_of_losses": self.losses.sum,
        }
        facts = {
            "of": self._fingerprint,
            "step_number": self.step_number, "seconds": self.seconds, "spent": self.spent,
            "losses_summed": self.losses.count, "averaged": self.average.count, "history": self.history,
            "points": self.points,
            "validation": [v.tokens, v.best_loss, v.best_step, v.without_improvement],
        }  # fmt: skip
        if self.parallel.sharded:
            shards.write(self.run.folder, tensors, facts, self.parallel)
        elif self.parallel.rank == 0:
            checkpoint.write(self.run.folder, tensors, facts)
        self.saved = time.perf_counter()
        self.seconds_to_save = self.saved - began

    def resume(self) -> None:
        """Go on from the checkpoint in the run's folder. Raises UsageError where there is none of this training."""
        if not self.run.folder:
            raise UsageError("there is nothing to resume: this run has no folder for checkpoints")
        if self.parallel.sharded:
            tensors, facts = shards.read(
                self.run.folder, self._fingerprint, self.module, self.optimizers, self.parallel
            )
        else:
            tensors, facts = checkpoint.read(self.run.folder, self._fingerprint)
        device, v = self.compute.device, self.validation
        self.module.load_weights(checkpoint.under(tensors, "module"))
        v.best_weights = checkpoint.under(tensors, "best")
        v.tokens, v.best_loss, v.best_step, v.without_improvement = facts["validation"]
        self.average.mean = checkpoint.in_order(checkpoint.under(tensors, "mean"), device)
        self.average.count = facts["averaged"]
        states = checkpoint.under(tensors, "each")
        checkpoint.load_optimizer_state(self.optimizers, tensors)
        if len(states["random.cpu"]) == self.parallel.size:
            own = {name: value[self.parallel.rank].clone() for name, value in states.items()}
            self.carried = tuple(checkpoint.in_order(checkpoint.under(own, "carried"), device))
            checkpoint.load_rng_state(device, checkpoint.under(own, "random"))
        else:  # dropout of other processes than before is drawn anew
            torch.manual_seed(self.parallel.seed(self.run.seed + facts["step_number"]))
        self.losses.sum, self.losses.count = tensors["sum_of_losses"].to(device), facts["losses_summed"]
        self.step_number, self.seconds, self.spent = facts["step_number"], facts["seconds"], facts["spent"]
        self.earlier_seconds, self.history, self.points = self.seconds, facts["history"], facts["points"]
