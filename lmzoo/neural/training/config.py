"""What the trainer needs to know of a model: the fields that concern training, which `Network` declares."""

from typing import Any, Protocol


class Settings(Protocol):
    """What of a model's fields concerns its training; `Network` says what each is."""

    batch: int
    window: int
    accumulate: int
    optimizer: str
    learning_rate: float
    matrix_rate: float
    beta2: float
    weight_decay: float
    warmup: float
    cooldown: float
    clip: float
    average: float
    patience: int

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def carried(self) -> bool:
        """Whether memory is carried from window to window of one text, or windows come in random order."""

    @property
    def lead(self) -> int:
        """How many ids before a window are its memory."""

    def config(self) -> dict[str, Any]:
        """All settings."""
