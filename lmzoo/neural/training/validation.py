"""Validation during a training: choose the best weights, and stop early."""

import math

import torch
from torch import Tensor

from lmzoo.interface import Ids
from lmzoo.neural.device import Compute
from lmzoo.neural.module import Module
from lmzoo.neural.training.config import Training
from lmzoo.neural.training.objectives import Objective
from lmzoo.neural.training.parallel import Parallel

EVALUATIONS = 10  # of the validation text, evenly over the budget
SHARE = 0.01  # of the training tokens that an evaluation reads
FEWEST, MOST = 1 << 12, 1 << 16  # tokens of an evaluation


class Validation:
    """The best weights so far by their loss on validation text, and for how long there was no improvement.

    An empty text, or one that is too short to be read in windows, chooses nothing: `enabled` is False.
    """

    def __init__(self, objective: Objective, training: Training, text: Ids, seed: int, rows: int, lines: bool):
        self.objective, self.window, self.patience = objective, training.window, training.patience
        self.enabled = len(text) >= (1 if lines else max(1, 2 * training.window))
        self.text, self.seed, self.most_rows, self.lines = text, seed, rows, lines
        self.tokens = 0  # of an evaluation; decided at the first one
        self.best_weights: dict[str, Tensor] = {}
        self.best_loss, self.best_step = math.inf, 0
        self.without_improvement = 0  # evaluations since the best one

    def size_by(self, tokens_in_budget: float) -> None:
        """Decide how much text an evaluation reads, at the first one: so much that it costs little of the budget."""
        if not self.tokens:
            self.tokens = int(max(min(max(SHARE * tokens_in_budget, FEWEST), MOST), 2 * self.window))

    @torch.no_grad()
    def loss(self, module: Module, compute: Compute) -> float:
        """Nats per token of the first validation tokens, read in parallel pieces: to choose by, not to report."""
        text = self.text[: self.tokens]
        rows = max(1, min(self.most_rows, len(text) // (2 * self.window)))
        # Every process reads the same text, so each takes the whole batch.
        batches = self.objective.batches(text, rows, self.window, self.seed, Parallel(), self.lines)
        module.eval()
        total, carried = torch.zeros((), device=compute.device), module.initial_state(rows)
        for step in range(batches.steps_per_pass):
            for part in batches.parts(step):
                share, batch = part.tokens / batches.tokens_per_step, part.to(compute.device)
                before = tuple(state[: len(batch.ids)] for state in carried)
                with compute.autocast():
                    loss = self.objective.loss(module, batch, self.objective.state_before(module, batch, before))
                carried = loss.carried
                total += loss.nats * share
        module.train()
        return float(total) / batches.steps_per_pass

    def loss_aside(self, module: Module, compute: Compute, tokens_in_budget: float) -> float:
        """`loss` at any moment: it decides nothing, neither the weights nor how much text an evaluation reads."""
        decided = self.tokens
        self.size_by(tokens_in_budget)
        loss = self.loss(module, compute)
        self.tokens = decided
        return loss

    def update(self, loss: float, step: int, module: Module) -> None:
        """Keep the weights, if none had a lower loss."""
        if loss < self.best_loss:
            self.best_loss, self.best_step, self.without_improvement = loss, step, 0
            # On the CPU, where there is more memory for them.
            self.best_weights = {name: value.to("cpu", copy=True) for name, value in module.weights().items()}
        else:
            self.without_improvement += 1

    @property
    def out_of_patience(self) -> bool:
        """Whether to stop early."""
        return 0 < self.patience <= self.without_improvement
