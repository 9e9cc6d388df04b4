"""The models of a comparison where none are named: `corpora/compare.presets.toml`, by the size of the machine."""

from dataclasses import dataclass, replace

from lmzoo.data.cards import folder
from lmzoo.embeddings.gpu import accelerator
from lmzoo.errors import FormatError, UsageError, nearest
from lmzoo.files import read_toml

NAME = "compare.presets.toml"
LAPTOP, GPU, OWN = "laptop", "gpu", "own"  # OWN is for a text of one's own where there is no accelerator


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


def preset(name: str | None, device: str, own: bool = False) -> Preset:
    """The preset called `name`; where that is "auto" or None, the one for this machine and a text of one's `own`.

    Raises UsageError for another name.
    """
    known = presets()
    if name in (None, "auto"):
        name = GPU if accelerator(device) else OWN if own else LAPTOP
    if name not in known:
        raise UsageError(f"no preset {name!r}{nearest(str(name), known)}; there are: auto, {', '.join(known)}")
    return known[name]
