"""When a training does not fit into memory: what takes the most of it, and the batch that would fit."""

from collections.abc import Callable, Iterable

import torch

from lmzoo.errors import LmzooError

# How PyTorch's allocators say it where they raise no OutOfMemoryError: on a CPU, in cuDNN and cuBLAS.
LACK = ("DefaultCPUAllocator", "not enough memory", "out of memory", "ALLOC_FAILED")


def or_what_fits(
    step: Callable[[], None],
    batch: int,
    parts: int,
    sizes: Callable[[], dict[str, int]],
    fits: Callable[[int], None],
) -> None:
    """Do `step`, which reads `batch` rows in so many parts. Where memory does not suffice, raise LmzooError with the
    largest of `sizes` (what → bytes) and the largest half, quarter … of a part with which `fits` goes through.
    """
    try:
        return step()
    except RuntimeError as error:
        if not is_lack_of_memory(error):
            raise
    # Out of the handler, so that what the failed step held on to is free.
    known = sizes()
    largest = max(known, key=lambda what: known[what])
    rows = -(-batch // parts)
    halves = [rows >> n for n in range(1, rows.bit_length())]
    fitting = next((rows for rows in halves if _goes_through(fits, rows)), None)
    advice = "not even a batch of one fits: a smaller window or model would"
    if fitting:
        advice = f"--batch {fitting} fits, and --accumulate {-(-batch // fitting)} reads the batch of {batch} in parts"
    raise LmzooError(f"out of memory: the most goes to {largest} ({known[largest] / 1e9:,.2f} GB); {advice}")


def kept_for_the_gradient(forward: Callable[[], object], weights: Iterable[torch.Tensor]) -> int:
    """Bytes of all tensors that `forward` leaves behind for its way back, but for the weights; 0 where it does not fit
    into memory itself.
    """
    own = {weight.untyped_storage().data_ptr() for weight in weights}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    try:
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            held = forward()  # noqa: F841 (as long as it is held, no storage is used twice)
    except RuntimeError as error:
        if not is_lack_of_memory(error):
            raise
        return 0
    return sum(kept.values())


def is_lack_of_memory(error: RuntimeError) -> bool:
    """Whether PyTorch raised `error` because memory did not suffice."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in LACK)


def _goes_through(fits: Callable[[int], None], rows: int) -> bool:
    try:
        fits(rows)
    except RuntimeError as error:
        if not is_lack_of_memory(error):
            raise
        return False
    return True
