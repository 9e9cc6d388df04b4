"""metrics.jsonl: how a training goes, a line for each report, to be watched while it runs."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmzoo.errors import LmzooError, UsageError

FILE = "metrics.jsonl"
RECENT = 5  # reports over which the speed is taken


class MetricsLog:
    """Writes each dict of figures as a line of JSON to `folder`, and to TensorBoard where `tensorboard` says.

    Nothing is touched before `begin`. Raises UsageError where TensorBoard is asked for and not installed, LmzooError
    where nothing can be written.
    """

    def __init__(self, folder: Path | None, tensorboard: Path | None):
        self.path = folder and folder / FILE
        self.tensorboard = tensorboard
        self.board: Any = None
        if tensorboard:
            _summary_writer()

    def begin(self, history: list[dict[str, Any]]) -> None:
        """Start again after `history`: what a killed run wrote after its last checkpoint will be written again."""
        if self.path:
            self._write_lines("w", history)
        if self.tensorboard:
            after = history[-1]["step"] + 1 if history else None
            try:
                self.board = _summary_writer()(str(self.tensorboard), purge_step=after)
            except OSError as error:
                raise LmzooError(f"{self.tensorboard} could not be written: {error.strerror}") from None

    def write(self, figures: dict[str, Any]) -> None:
        """One more line; on the board each figure is a curve over steps."""
        if self.path:
            self._write_lines("a", [figures])
        if self.board:
            for key, value in figures.items():
                if key != "step":
                    self.board.add_scalar(key, value, figures["step"])

    def _write_lines(self, mode: str, lines: list[dict[str, Any]]) -> None:
        assert self.path
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode, encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
        except OSError as error:
            raise LmzooError(f"{self.path} could not be written: {error.strerror}") from None

    def close(self) -> None:
        """No more will come."""
        if self.board:
            self.board.close()


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("TensorBoard is not installed: pip install tensorboard, or leave out --tensorboard") from None
    return SummaryWriter


class LossMeter:
    """The mean loss since the last report, and the first step whose loss was not finite.

    Both stay on the device between reports, as reading them would make a GPU wait for the CPU in every step.
    """

    def __init__(self, device: torch.device):
        self.sum = torch.zeros((), device=device)
        self.count = 0
        self.first_bad_step = torch.full((), math.inf, device=device)

    def add(self, loss: Tensor, step: int) -> None:
        """Count the loss of one step."""
        self.sum += loss
        self.count += 1
        self.first_bad_step = torch.minimum(
            self.first_bad_step, torch.where(torch.isfinite(loss), math.inf, float(step))
        )

    def take_mean(self) -> float:
        """The mean, nats per token; begins the next one."""
        mean = float(self.sum) / self.count
        self.sum.zero_()
        self.count = 0
        return mean


def speed(history: list[dict[str, Any]], tokens: int, seconds: float) -> float:
    """Tokens per second over the last few reports."""
    earlier = history[-RECENT] if len(history) >= RECENT else {"tokens": 0, "seconds": 0.0}
    return (tokens - float(earlier["tokens"])) / max(seconds - float(earlier["seconds"]), 1e-9)
