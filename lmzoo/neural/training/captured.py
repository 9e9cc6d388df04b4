"""A step's forward and backward pass as one CUDA graph: the launches of hundreds of kernels, of an LSTM thousands, for
one launch. The kernels are the same.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lmzoo.neural.module import Carried
from lmzoo.neural.training.batches import Batch

WARM_UP = 3  # steps before it is captured, which compile and choose kernels
AHEAD = 2  # steps that may wait for the GPU


class Captured:
    """`loss_of(batch, carried)`, a `Loss`, and its gradients; where it cannot be captured, without a graph.

    All batches have one shape. What a call returns is overwritten by the next.
    """

    def __init__(self, loss_of: Callable[[Batch, Carried], Any], weights: Sequence[Tensor]):
        self.loss_of, self.weights = loss_of, weights
        self.calls, self.graph, self.drawn = 0, torch.cuda.CUDAGraph(), -1.0
        self.stream: torch.cuda.Stream | None = torch.cuda.Stream()  # the default one cannot be captured

    def __call__(self, batch: Batch, carried: Carried) -> tuple[Tensor, Carried]:
        """The mean nats per token of `batch`, and what is carried on; its gradients are in the weights."""
        self.calls += 1
        new = (batch.ids, batch.targets, *carried)
        if self.calls == 1:  # views are cut loose: compiled for one layout, a step is compiled for that one alone
            self.inputs = [one.clone(memory_format=torch.contiguous_format) for one in new]
        for own, one in zip(self.inputs, new, strict=True):
            own.copy_(one)
        if self.calls == WARM_UP + 1:
            self._capture(batch.fresh)
        if self.calls <= WARM_UP or self.stream is None:
            return self._uncaptured(batch.fresh)
        self.graph.replay()
        if self.calls <= WARM_UP + 2:
            self._look_at(float(self.dice))
        for weight, gradient in self.gradients:
            weight.grad = gradient
        return self.outputs

    def _uncaptured(self, fresh: bool) -> tuple[Tensor, Carried]:
        if self.stream is None:
            return self._run(fresh)
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            outputs = self._run(fresh)
        torch.cuda.current_stream().wait_stream(self.stream)
        return outputs

    def _run(self, fresh: bool) -> tuple[Tensor, Carried]:
        loss = self.loss_of(Batch(self.inputs[0], self.inputs[1], fresh), tuple(self.inputs[2:]))
        loss.total.backward()
        return loss.nats.detach(), loss.carried

    def _capture(self, fresh: bool) -> None:
        try:
            with torch.cuda.graph(self.graph, stream=self.stream):  # which frees what is cached: it has its own memory
                self.outputs = self._run(fresh)
                self.dice = torch.rand((), device=self.inputs[0].device)
        except RuntimeError:  # too little memory for both, or a step that asks the GPU what to do next
            self.stream = None
            for weight in self.weights:
                weight.grad = None
            # The random numbers of the GPU still expect the end of a capture: without one the next dropout fails.
            with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=torch.cuda.Stream()):
                self.inputs[0].clone()
            return
        self.gradients = [(weight, weight.grad) for weight in self.weights if weight.grad is not None]

    def _look_at(self, dice: float) -> None:
        """A graph that draws the same numbers again would drop the same units in every step: go on without it."""
        if dice == self.drawn:
            self.stream = None
        self.drawn = dice


class Queue:
    """Waits until a GPU is at most `AHEAD` steps behind, so that a clock tells when steps are done, not asked for."""

    def __init__(self, device: torch.device):
        self.device, self.ends = device, deque[Any]()

    def step(self) -> None:
        """One more was asked for."""
        if self.device.type != "cuda":
            return
        self.ends.append(torch.cuda.Event(blocking=True))
        self.ends[-1].record()
        if len(self.ends) > AHEAD:
            self.ends.popleft().synchronize()
