"""What to say when a training runs out of memory: what takes the most, and the batch that would fit."""

from collections.abc import Callable, Iterable

import torch

from lmzoo.errors import LmzooError, is_out_of_memory


def step_or_advise(
    step: Callable[[], None],
    batch: int,
    parts: int,
    sizes: Callable[[], dict[str, int]],
    attempt: Callable[[int], None] | None,
) -> None:
    """Take a `step`, which reads `batch` rows in so many parts. Where memory runs out, raise LmzooError with the
    largest of `sizes` (name → bytes) and the largest half, quarter … of a part with which `attempt` succeeds; None
    where this process cannot try, as it would wait for others.
    """
    try:
        return step()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    # Outside the handler, where the traceback no longer holds on to the tensors of the failed step.
    bytes_of = sizes()
    largest = max(bytes_of, key=lambda name: bytes_of[name])
    rows = -(-batch // parts)
    halves = [rows >> n for n in range(1, rows.bit_length())]
    fitting = next((rows for rows in halves if attempt and _succeeds(attempt, rows)), None)
    advice = "not even a batch of one fits: a smaller window or model would"
    if not attempt:
        advice = f"--accumulate {2 * parts} reads the batch in parts half as large; so do more processes with less rows"
    if fitting:
        advice = f"--batch {fitting} fits, and --accumulate {-(-batch // fitting)} reads the batch of {batch} in parts"
    raise LmzooError(f"out of memory: the most goes to {largest} ({bytes_of[largest] / 1e9:,.2f} GB); {advice}")


def activation_bytes(forward: Callable[[], object], weights: Iterable[torch.Tensor]) -> int:
    """Bytes of the activations that `forward` saves for the backward pass; 0 where `forward` itself does not fit."""
    own = {weight.untyped_storage().data_ptr() for weight in weights}
    saved: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    try:
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            output = forward()  # noqa: F841 (while it is referenced, no storage is used twice)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return 0
    return sum(saved.values())


def _succeeds(attempt: Callable[[int], None], rows: int) -> bool:
    try:
        attempt(rows)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True
