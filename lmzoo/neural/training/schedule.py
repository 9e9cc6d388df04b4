"""The budget of a training, and the learning rate schedule over it."""

import math
from dataclasses import dataclass
from typing import Self

from lmzoo.errors import UsageError
from lmzoo.interface import Run

DEFAULT_SECONDS = 180.0  # where no budget is given
FIRST_RATE = 0.05  # share of the peak learning rate that a warm-up starts from
HURRY = 0.75  # share of the clock from which on the schedule runs to its end by time, where the steps will not
DOUBLINGS = 9  # from the first of several log-spaced points of a training to the last: of ten, each is twice the last


@dataclass(frozen=True)
class Budget:
    """Limits on optimiser steps, tokens read, FLOPs and wall-clock; the first that is reached ends the training."""

    steps: float = float("inf")
    seconds: float = float("inf")

    @classmethod
    def of(cls, run: Run, tokens_per_step: float, flops_per_token: float) -> Self:
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
        limits = [float(limit) for limit in steps if limit]
        seconds = run.seconds or (float("inf") if limits else DEFAULT_SECONDS)
        return cls(min(limits, default=float("inf")), seconds)

    def spent(self, step: int, seconds: float) -> float:
        """The share of the budget that so many steps and seconds have spent: 0 to 1, or more.

        The schedule follows the steps, so that it is the same on every machine, and the clock only where there are
        none. A clock that will cut the steps short runs the schedule to its end in its last quarter: from `HURRY` on,
        the share moves from that of the steps to that of the time, in proportion.
        """
        time = seconds / self.seconds
        steps = step / self.steps if self.steps < float("inf") else time
        late = (time - HURRY) / (1 - HURRY)
        return steps + (time - steps) * min(late, 1.0) if late > 0 and time > steps else steps

    def behind(self, step: int, seconds: float) -> bool:
        """Whether the clock changed the schedule: then the training depends on how fast the machine is."""
        return self.steps < float("inf") and self.spent(step, seconds) > step / self.steps


def crossed(before: float, after: float, marks: int) -> bool:
    """Whether one of `marks` even marks lies between two shares of the budget; the end is one."""
    return math.floor(before * marks) < math.floor(min(after, 1.0) * marks)


def log_spaced(points: int) -> list[float]:
    """Shares of the budget, evenly on a logarithmic scale, the last of them 1."""
    return [2.0 ** (-DOUBLINGS * n / max(points - 1, 1)) for n in reversed(range(points))]


def rate(spent: float, warmup: float, cooldown: float) -> float:
    """Share of the peak learning rate: linear warm-up over the first `warmup` of the budget, linear cool-down to 0 over
    its last `cooldown`.
    """
    up = max(spent / warmup, FIRST_RATE) if warmup else 1.0
    down = (1 - spent) / cooldown if cooldown else 1.0
    return max(0.0, min(1.0, up, down))
