"""Associations scored on a GPU: the same sums as in `embeddings/predictor.py`, with the tables in the device's memory.

PyTorch is imported only where there is a device for it.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import not_installed
from lmzoo.interface import Ids

Array = NDArray[Any]

NVIDIA = Path("/dev/nvidiactl")  # what its driver answers to on Linux
BLOCK = 1 << 28  # logits worked on at a time: 1 GiB


def accelerator(name: str) -> str | None:
    """The device called `name` ("auto", "cuda:1", …), None where it is the CPU. Raises UsageError for one not there.

    "auto" is a GPU of NVIDIA's where there are one and PyTorch; where there is no driver PyTorch is not even loaded.
    """
    if name.startswith("cpu") or (name == "auto" and not (NVIDIA.exists() and find_spec("torch"))):
        return None
    if find_spec("torch") is None:
        raise not_installed(f"--device {name}", "torch")
    from lmzoo.neural import device as _device

    found = _device.find(name)
    return None if found.type == "cpu" else str(found)


class OnDevice:
    """β log p(w) and s(w, c) in a device's memory: what is needed to score a text there."""

    def __init__(self, base: Array, lambdas: Array, left: Array | None, right: Array, device: str):
        """`base` (V,) is β log p(w). s(w, c) = left[w] · right[c], or without `left` right[c, w]: (V, V)."""
        import torch

        self._device = torch.device(device)
        self._base, self._lambdas = self._put(base), self._put(lambdas)
        self._left = None if left is None else self._put(left)
        # The place of a context that is not there, -1, finds the last row, which is zero.
        self._right = torch.cat([self._put(right), torch.zeros(1, right.shape[1], device=self._device)])

    def _put(self, array: Array) -> Any:
        import torch

        return torch.from_numpy(np.array(array, dtype=np.float32)).to(self._device)

    def log_probs(self, contexts: Ids, tokens: Ids) -> Array:
        """log P of each of `tokens` (N,) after its `contexts` (N, k), in nats: (N,)."""
        import torch

        scores = np.empty(len(tokens))
        step = max(1, BLOCK // len(self._base))
        with torch.inference_mode():
            for i in range(0, len(tokens), step):
                near = torch.from_numpy(contexts[i : i + step].astype(np.int64)).to(self._device)
                wanted = torch.from_numpy(tokens[i : i + step].astype(np.int64)).to(self._device)
                mixed = sum(weight * self._right[near[:, d]] for d, weight in enumerate(self._lambdas))
                logits = mixed + self._base if self._left is None else torch.addmm(self._base, mixed, self._left.T)
                chosen = logits.gather(1, wanted[:, None])[:, 0]
                scores[i : i + step] = (chosen - logits.logsumexp(1)).cpu().numpy()
        return scores
