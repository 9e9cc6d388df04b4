"""How much of its budget a training has spent, and the learning rate that goes with it."""

from dataclasses import dataclass
from typing import Self

from lmzoo.errors import UsageError
from lmzoo.interface import Run

DEFAULT_SECONDS = 180.0  # for who gives no budget at all
COLDEST_START = 0.05  # of the learning rate, at the first step of a warm-up


@dataclass(frozen=True)
class Budget:
    """Limits on optimiser steps, tokens read, FLOPs and wall-clock; the first that is reached ends the training."""

    steps: float = float("inf")
    seconds: float = float("inf")

    @classmethod
    def of(cls, run: Run, tokens_per_step: int, flops_per_token: float) -> Self:
        """The budget of `run`, tokens and FLOPs counted in steps. Raises UsageError for one of zero."""
        for name in ("steps", "seconds", "tokens", "flops"):
            value = getattr(run, name)
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"a budget of {value} {name} is nothing to train with: it must be above zero")
        steps = [
            run.steps,
            run.tokens and -(-run.tokens // tokens_per_step),
            run.flops and -(-run.flops // (flops_per_token * tokens_per_step)),
        ]
        given = [float(limit) for limit in steps if limit]
        seconds = run.seconds or (float("inf") if given else DEFAULT_SECONDS)
        return cls(min(given, default=float("inf")), seconds)

    def spent(self, step: int, seconds: float) -> float:
        """The share that is spent, 0 to 1 and more, when `step` steps are done after so many seconds."""
        return max(step / self.steps, seconds / self.seconds)

    @property
    def timed(self) -> bool:
        """Whether a clock has a say: two runs then need not take the same steps."""
        return self.seconds < float("inf")


def rate(spent: float, warmup: float, cooldown: float) -> float:
    """The factor of the learning rate: up over the first `warmup` of the budget, down to 0 over its last `cooldown`."""
    up = max(spent / warmup, COLDEST_START) if warmup else 1.0
    down = (1 - spent) / cooldown if cooldown else 1.0
    return max(0.0, min(1.0, up, down))
