"""The next token of a text through a transformer's layers on a GPU, as one CUDA graph.

A token's kernels take less time than Python needs to ask for them: a graph asks once. It has memory of its own, so the
keys and values lie in slots for a whole window, of which those behind the token are masked.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor

LEAST = 128  # slots; a text that needs more has a graph with twice as many


class Slots(NamedTuple):
    """A layer's keys and values (B, K, W, d), of which those before `place` (1,) are of tokens that were read."""

    keys: Tensor
    values: Tensor
    place: Tensor

    def write(self, key: Tensor, value: Tensor) -> Tensor:
        """Of the token at `place`, (B, K, 1, d); returns which slots it sees, (W,) bool."""
        self.keys.index_copy_(2, self.place, key)
        self.values.index_copy_(2, self.place, value)
        return torch.arange(self.keys.shape[2], device=self.keys.device) <= self.place


class GraphedStep:
    """x (B, 1, D) at a place, and the caches (B, K, S, d) of the tokens before → `layers(x, slots)`, new caches."""

    def __init__(self, layers: Callable[[Tensor, list[Slots]], Tensor]):
        self.layers = layers
        self.size = 0
        self.last: Sequence[Tensor] | None = None  # the caches whose contents are in the slots

    def __call__(self, x: Tensor, caches: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """What is given is left as it is, what comes back is new."""
        place = caches[0].shape[2]
        if place >= self.size:
            self._make(x, caches)
        if caches is not self.last:
            self.tape[..., :place, :].copy_(torch.stack(list(caches)))
        self.x.copy_(x)
        self.place.fill_(place)
        self.run()
        kept = self.tape[..., : place + 1, :].clone()
        self.last = list(kept.unbind())
        return self.hidden.clone(), self.last

    def _make(self, x: Tensor, caches: Sequence[Tensor]) -> None:
        one, self.last = caches[0], None
        self.size = max(LEAST, 1 << one.shape[2].bit_length())
        self.tape = one.new_zeros(len(caches), *one.shape[:2], self.size, one.shape[3])
        self.x, self.place = x.clone(), torch.full((1,), one.shape[2], device=x.device)
        slots = [Slots(keys, values, self.place) for keys, values in self.tape.unflatten(0, (-1, 2))]
        self.hidden = self.layers(self.x, slots)

        def run() -> None:
            self.hidden.copy_(self.layers(self.x, slots))

        self.run: Callable[[], None] = run
        if x.is_cuda:
            graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                run()
            with suppress(RuntimeError):  # then it is run as it is
                with torch.cuda.graph(graph, stream=stream):
                    run()
                self.run = graph.replay
            torch.cuda.current_stream().wait_stream(stream)
