"""What is written in Triton, which PyTorch has with it where there is a GPU: imported only there."""

import torch
import triton
import triton.language as tl
from torch import Tensor

# Of a row at a time, by so many warps that the rows that are being read stay in the cache until they are written.
BLOCK, WARPS = 8192, 16


def softmax_with_gradient(logits: Tensor, targets: Tensor, share: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """See `softmax.FullLoss`: the gradient is written over `logits`, of which those behind `size` are padding."""
    nats = torch.empty(len(logits), device=logits.device)
    width = logits.shape[1]
    block = min(BLOCK, triton.next_power_of_2(width))
    warps = max(1, WARPS * block // BLOCK)
    _softmax_with_gradient[(len(logits),)](logits, targets, share, nats, size, width, BLOCK=block, num_warps=warps)
    return nats, logits


@triton.jit
def _softmax_with_gradient(logits, targets, share, nats, size, width, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    logits += row * width
    target = tl.load(targets + row)
    wanted = tl.load(logits + tl.maximum(target, 0)).to(tl.float32)
    columns = tl.arange(0, BLOCK)
    peak = -1e30
    sums = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, size, BLOCK):
        x = tl.load(logits + start + columns, mask=start + columns < size, other=-float("inf")).to(tl.float32)
        higher = tl.maximum(peak, tl.max(x))
        sums = sums * tl.exp(peak - higher) + tl.exp(x - higher)
        peak = higher
    total = peak + tl.log(tl.sum(sums))
    factor = tl.where(target < 0, 0.0, tl.load(share))
    tl.store(nats + row, tl.where(target < 0, 0.0, total - wanted))
    for start in range(0, width, BLOCK):
        here = start + columns
        x = tl.load(logits + here, mask=here < size, other=-float("inf")).to(tl.float32)
        change = (tl.exp(x - total) - (here == target).to(tl.float32)) * factor
        tl.store(logits + here, change.to(logits.dtype.element_ty), mask=here < width)
