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
        self.calls, self.graph = 0, torch.cuda.CUDAGraph()
        self.stream: torch.cuda.Stream | None = torch.cuda.Stream()  # the default one cannot be captured

    def __call__(self, batch: Batch, carried: Carried) -> tuple[Tensor, Carried]:
        """The mean nats per token of `batch`, and what is carried on; its gradients are in the weights."""
        self.calls += 1
        if self.calls <= WARM_UP:
            return self._uncaptured(batch, carried)
        if self.calls == WARM_UP + 1:
            self._capture(batch, carried)
        if self.stream is None:
            return self._uncaptured(batch, carried)
        for own, new in zip(self.inputs, (batch.ids, batch.targets, *carried), strict=True):
            own.copy_(new)
        self.graph.replay()
        for weight, gradient in self.gradients:
            weight.grad = gradient
        return self.outputs

    def _uncaptured(self, batch: Batch, carried: Carried) -> tuple[Tensor, Carried]:
        if self.stream is None:
            return self._run(batch, carried)
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            outputs = self._run(batch, carried)
        torch.cuda.current_stream().wait_stream(self.stream)
        return outputs

    def _run(self, batch: Batch, carried: Carried) -> tuple[Tensor, Carried]:
        loss = self.loss_of(batch, carried)
        loss.total.backward()
        return loss.nats.detach(), loss.carried

    def _capture(self, batch: Batch, carried: Carried) -> None:
        self.inputs = [one.clone() for one in (batch.ids, batch.targets, *carried)]
        own = Batch(self.inputs[0], self.inputs[1], batch.fresh)
        try:
            with torch.cuda.graph(self.graph, stream=self.stream):  # which frees what is cached: it has its own memory
                self.outputs = self._run(own, tuple(self.inputs[2:]))
        except RuntimeError:  # too little memory for both, or a step that asks the GPU what to do next
            self.stream = None
            for weight in self.weights:
                weight.grad = None
            return
        self.gradients = [(weight, weight.grad) for weight in self.weights if weight.grad is not None]


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
