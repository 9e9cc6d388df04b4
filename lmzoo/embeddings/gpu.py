"""Association scores on a GPU: the sums of `embeddings/predictor.py`, with the tables in the device's memory."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.errors import not_installed
from lmzoo.interface import Array, Ids

NVIDIA = Path("/dev/nvidiactl")  # exists on Linux where the driver is loaded
BLOCK = 1 << 28  # logits computed at a time: 1 GiB


def accelerator(name: str) -> str | None:
    """The device called `name` ("auto", "cuda:1", …), None for the CPU. Raises UsageError for one that is absent.

    "auto" is an NVIDIA GPU if there is one, and PyTorch. Without a driver PyTorch is not imported.
    """
    if name.startswith("cpu") or (name == "auto" and not (NVIDIA.exists() and find_spec("torch"))):
        return None
    if find_spec("torch") is None:
        raise not_installed(f"--device {name}", "torch")
    from lmzoo.neural.device import find

    device = find(name)
    return None if device.type == "cpu" else str(device)


class OnDevice:
    """β log p(w) and s(w, c) in a device's memory."""

    def __init__(self, base: Array, lambdas: Array, left: Array | None, right: Array, device: str):
        """`base` (V,) is β log p(w). s(w, c) = left[w] · right[c], or without `left` right[c, w]: (V, V)."""
        import torch

        self._device = torch.device(device)
        self._base, self._lambdas = self._put(base), self._put(lambdas)
        self._left = None if left is None else self._put(left)
        # NOWHERE, -1, indexes the last row, which is zero.
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
