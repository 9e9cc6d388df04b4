"""How a network is trained, apart from what it is. No PyTorch here: help texts read these fields without it."""

from dataclasses import dataclass

from lmzoo.errors import UsageError, in_range


@dataclass(frozen=True)
class Training:
    """The settings of the trainer. A model's file gives its own defaults: `training: Training = Training(batch=64)`."""

    batch: int = 32  # sequences in a step, each of `window` tokens
    window: int = 64  # tokens of a sequence in a step: how far back gradients reach
    optimizer: str = "adamw"  # adamw, muon (Muon for matrices between hidden layers, AdamW for the rest) or sgd
    learning_rate: float = 3e-3  # peak learning rate
    matrix_rate: float = 0.01  # peak learning rate of Muon's matrices
    beta1: float = 0.9  # decay of AdamW's first moments, its momentum
    beta2: float = 0.99  # decay of AdamW's second moments
    weight_decay: float = 0.01  # of matrices; biases and gains have none
    warmup: float = 0.02  # share of the budget in which the learning rate rises
    cooldown: float = 0.8  # share of the budget, at its end, in which the learning rate falls to zero
    clip: float = 1.0  # gradient clipping: the largest norm; 0: none
    accumulate: int = 1  # gradient accumulation: parts in which a batch is read, where memory is short
    average: float = 0.0  # share of the budget, at its end, over which the weights are averaged
    patience: int = 0  # early stopping: validation evaluations (10 per budget) without improvement; 0: never stop

    def check(self) -> None:
        """Raise UsageError for a value that cannot be."""
        for name in ("warmup", "cooldown", "average"):
            in_range(name, getattr(self, name), 0, 1)
        for name in ("learning_rate", "matrix_rate", "weight_decay", "clip", "patience"):
            in_range(name, getattr(self, name), 0)
        for name in ("beta1", "beta2"):
            in_range(name, getattr(self, name), 0, below=1)
        in_range("accumulate", self.accumulate, 1)
        if self.accumulate > self.batch > 0:
            raise UsageError(f"a batch of {self.batch} cannot be read in {self.accumulate} parts: lower accumulate")
