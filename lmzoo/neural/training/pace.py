"""The pace of a training, and remarks on a budget that ended early or a machine that was busy."""

import statistics

import torch

from lmzoo.neural.barriers import Load
from lmzoo.neural.training.schedule import Budget

WARM_UP = 2  # steps that also load and allocate
BLOCK = 5  # steps, of which the median counts
FEW_STEPS = 100  # with fewer, a network has hardly begun to learn


class Pace:
    """How fast the fastest steps were, and how many cores other processes used meanwhile."""

    def __init__(self, device: torch.device):
        self.on_cpu = device.type == "cpu"
        self.timed = device.type in ("cpu", "cuda")  # elsewhere steps are queued, not done, when they return
        self.load = Load()
        self.fastest = float("inf")  # seconds of a step
        self.steps, self.block = 0, [0.0] * BLOCK

    def step(self, seconds: float) -> None:
        """Record the time that a step took."""
        self.steps += 1
        self.block[self.steps % BLOCK] = seconds
        if self.timed and self.steps >= WARM_UP + BLOCK:
            self.fastest = min(self.fastest, statistics.median(self.block))

    @property
    def crowded(self) -> bool:
        """Whether other processes used cores that this one needed."""
        return self.on_cpu and self.load.others() > self.load.spare()

    def remarks(self, steps: int, seconds: float, budget: Budget, tokens_per_step: float = 1) -> list[str]:
        """Remarks on a training of so many `steps` and `seconds`, where the clock put an end to it."""
        if seconds < budget.seconds:
            return []
        remarks, crowded = [], self.crowded
        if crowded:
            used, cores = self.load.others(), len(self.load.cores)
            remarks.append(f"the machine was busy: other processes used {used:.1f} of {cores} cores on average")
        expected = int(seconds / self.fastest) if self.on_cpu else 0  # or where too few were measured
        if budget.steps < float("inf"):
            read, all_of_it = (short(count * tokens_per_step) for count in (steps, budget.steps))
            if steps < budget.steps:
                remarks.append(f"stopped by the clock ({budget.seconds:g} s) after {read} of {all_of_it} tokens")
        elif steps < max(FEW_STEPS, expected / 2):
            speed = f"; at the speed of its fastest steps {expected:,} were expected" if expected > steps else ""
            advice = (
                "a budget in steps does not depend on what else the machine does"
                if crowded
                else "a network needs hundreds: give it a longer --budget, or a smaller size"
            )
            ended = f"the budget of {budget.seconds:g} s ended after {steps:,} step{'' if steps == 1 else 's'}"
            remarks.append(f"{ended}{speed}: {advice}")
        return remarks


def short(count: float) -> str:
    """A number of tokens in three digits: 950, 64.5k, 1.2M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"
