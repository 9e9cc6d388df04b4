"""metrics.jsonl: what a training saw along its way, a line each time it looked, there to be watched while it runs."""

import json
from pathlib import Path
from typing import Any

from lmzoo.errors import LmzooError, UsageError

NAME = "metrics.jsonl"


class Journal:
    """Writes each dict of figures as a line of JSON to `folder`, and to TensorBoard where `tensorboard` says.

    Nothing is touched before `begin`. Raises UsageError where TensorBoard is asked for and not installed, LmzooError
    where nothing can be written.
    """

    def __init__(self, folder: Path | None, tensorboard: Path | None):
        self.path = folder and folder / NAME
        self.tensorboard = tensorboard
        self.board: Any = None
        if tensorboard:
            _writer()

    def begin(self, history: list[dict[str, Any]]) -> None:
        """Start anew after `history`: what a killed run wrote after its last checkpoint will be written again."""
        if self.path:
            self._put("w", history)
        if self.tensorboard:
            after = history[-1]["step"] + 1 if history else None
            try:
                self.board = _writer()(str(self.tensorboard), purge_step=after)
            except OSError as error:
                raise LmzooError(f"{self.tensorboard} could not be written: {error.strerror}") from None

    def write(self, facts: dict[str, Any]) -> None:
        """One more line; each figure is a curve over the step."""
        if self.path:
            self._put("a", [facts])
        if self.board:
            for key, value in facts.items():
                if key != "step":
                    self.board.add_scalar(key, value, facts["step"])

    def _put(self, mode: str, lines: list[dict[str, Any]]) -> None:
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


def _writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("TensorBoard is not installed: pip install tensorboard, or leave out --tensorboard") from None
    return SummaryWriter
