"""What a training begins from: the weights of another run."""

from pathlib import Path
from typing import Any

from lmzoo import models
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import UsageError
from lmzoo.interface import Start
from lmzoo.runs import store
from lmzoo.runs.cache import digest


def going_on(
    folder: Path, name: str, given: dict[str, str], tokenizer: str | None = None, frozen: bool = False
) -> tuple[Start, Tokenizer]:
    """The start of a training of the model `name` that goes on from the run in `folder`, and the run's tokenizer.

    Raises UsageError for a run of another model, for settings `given` that its weights do not allow, and for another
    `tokenizer`; else as `store.load` does.
    """
    kind = find(name, "--from")
    from lmzoo.neural.training.start import shaping

    made_by = store.read_config(folder)["model"] if (folder / "config.json").is_file() else kind.name
    if made_by != kind.name:
        raise UsageError(f"{folder} is a run of {made_by}: lmzoo train {made_by} --from {folder} goes on from it")
    model, known = store.load(folder, name if Path(name).is_file() else None)
    config, asked = model.config(), models.settings_in(kind, given)
    for key in sorted(shaping(kind) & set(asked)):
        if asked[key] != config[key]:
            of = f"--preset {given['preset']} has" if key not in given else "not"
            raise UsageError(f"the weights of {folder} are for {key} {config[key]}, {of} {asked[key]}: leave that out")
    if tokenizer not in (None, known.spec):
        raise UsageError(f"{folder} reads {known.spec}, and its weights are for those tokens: leave --tokenizer out")
    then: dict[str, Any] = store.read_provenance(folder)
    identity = store.digest(folder)
    parent = {"run": str(folder.absolute()), "digest": identity, "key": then.get("key")}
    learned = {key: then[key] for key in ("corpus", "sha256", "refit") if key in then}
    return Start(
        digest({"from": identity, "frozen": frozen}),
        {"parent": parent, "earlier": [learned, *then.get("earlier", [])], **freezing(frozen)},
        frozen_remark(model) if frozen else [],
        config,
        model.arrays(),
        frozen=frozen,
    ), known


def find(name: str, flag: str) -> Any:
    """The class of a model that can begin from something. Raises UsageError for one that cannot."""
    kind = models.find(name)
    if not kind.starts:
        raise UsageError(f"{name} begins with nothing learned, as only networks can begin elsewhere: leave {flag} out")
    return kind


def freezing(frozen: bool) -> dict[str, list[str]]:
    """What of a network is not trained, for provenance."""
    return {"frozen": ["embeddings"]} if frozen else {}


def frozen_remark(model: Any) -> list[str]:
    """The remark on embeddings that are not trained."""
    tied = getattr(model, "tied", False)
    return [f"the embeddings were not trained{', nor the softmax, whose table they are' if tied else ''}"]
