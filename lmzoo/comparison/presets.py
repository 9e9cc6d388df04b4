"""The models of a comparison where none are named: `corpora/compare.presets.toml`, by the size of the machine."""

from dataclasses import dataclass, replace

from lmzoo.data.cards import folder
from lmzoo.embeddings.gpu import accelerator
from lmzoo.errors import FormatError, UsageError, nearest
from lmzoo.files import read_toml

NAME = "compare.presets.toml"
DEFAULT = "laptop"  # that of a machine without an accelerator


@dataclass(frozen=True)
class Preset:
    """The models of a comparison, and the budget of each that trains by steps."""

    about: str  # the machine that it is for, and how long it takes there
    budget: str  # as `--budget` takes it
    models: tuple[str, ...]  # as `lmzoo compare` takes them, oldest idea first
    name: str = ""


def presets() -> dict[str, Preset]:
    """Every preset by its name. Raises FormatError where the file is malformed."""
    path = folder() / NAME
    try:
        return {name: replace(one, name=name) for name, one in read_toml(path, dict[str, Preset]).items()}
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}") from None


def preset(name: str, device: str) -> Preset:
    """The preset called `name`, or the one for the machine where that is "auto". Raises UsageError for another name."""
    known = presets()
    if name == "auto":
        name = "gpu" if accelerator(device) else DEFAULT
    if name not in known:
        raise UsageError(f"no preset {name!r}{nearest(name, known)}; there are: auto, {', '.join(known)}")
    return known[name]
