"""The experiments as files: one page that loads nothing from outside, its figures, a README, and results.json."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmzoo.drafts import write_together
from lmzoo.errors import LmzooError, UsageError
from lmzoo.report.canvas import COLOURS, Picture, picture
from lmzoo.report.page import environment
from lmzoo.report.summary import plain
from lmzoo.report.transfer.experiment import FOLDER, Experiment, Found, Lab, experiments
from lmzoo.runs import provenance


@dataclass(frozen=True)
class Done:
    """An experiment with what it found, or why it failed."""

    experiment: Experiment
    found: Found
    picture: Picture | None = None
    error: str = ""


def chosen(lab: Lab, wanted: Sequence[str]) -> tuple[list[Experiment], list[str]]:
    """The experiments of these names (none: what can be done, but not what takes long), and what others of them lack.

    Raises UsageError for an experiment that was named and cannot be done.
    """
    named = [one for one in experiments() if one.id in wanted or not (wanted or one.by_name)]
    missing = {one.title: lack for one in named if (lack := one.lacks(lab))}
    if wanted and missing:
        raise UsageError("; ".join(f"{title} needs {lack}" for title, lack in missing.items()))
    if len(missing) == len(named):
        raise UsageError("no experiment can be done with these runs and tasks")
    return [one for one in named if one.title not in missing], [f"{t} needs {lack}" for t, lack in missing.items()]


def done(lab: Lab, wanted: Sequence[Experiment]) -> list[Done]:
    """All of them, one after the other. What one of them lacks does not stop the others."""
    finished = []
    for one in lab.progress.track("experiments", wanted, lambda experiment: experiment.title):
        try:
            found = one.run(lab)
            finished.append(Done(one, found, picture(found.draw)))
        except LmzooError as error:
            finished.append(Done(one, Found(""), error=str(error)))
    return finished


def write(folder: Path, title: str, lab: Lab, finished: Sequence[Done]) -> Path:
    """Write the report into `folder`; returns the path of index.html. Raises UsageError where it cannot be written."""
    files = render(title, lab, finished)
    try:
        write_together(folder, files)
    except OSError as error:
        raise UsageError(f"cannot write the report into {folder}: {error.strerror or error}") from error
    for stale in {f"{one.id}.{kind}" for one in experiments() for kind in ("png", "svg")} - set(files):
        (folder / stale).unlink(missing_ok=True)
    return folder / "index.html"


def facts(lab: Lab, finished: Sequence[Done]) -> dict[str, Any]:
    """What results.json has."""
    return plain(
        {
            **provenance.provenance(),
            "runs": [
                {
                    "name": one.name,
                    "run": one.folder.name,
                    "label": one.pretrained.text_model.model.label,
                    "digest": one.pretrained.digest,
                }
                | {key: one.provenance.get(key) for key in ("command", "commit")}
                for one in lab.starts
            ],
            "tasks": list(lab.sets),
            "labels": ["all" if size is None else size for size in lab.sizes],
            "seeds": list(lab.seeds),
            "limit": lab.limit,
            "experiments": {
                one.experiment.id: {"finding": one.found.said, "facts": one.found.facts, "notes": one.found.notes,
                                    "error": one.error}
                for one in finished
            },
        }
    )  # fmt: skip


def render(title: str, lab: Lab, finished: Sequence[Done]) -> dict[str, bytes]:
    """The report as {file name: content}, index.html last."""
    results = facts(lab, finished)
    files = {"results.json": (json.dumps(results, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()}
    for one in finished:
        if one.picture:
            files[f"{one.experiment.id}.png"] = one.picture.png
            files[f"{one.experiment.id}.svg"] = one.picture.wide
    filled = {"title": title, "lab": lab, "finished": finished, "results": results, "colours": COLOURS}
    summary = environment(FOLDER).get_template("README.transfer.md.j2").render(filled)
    files["README.md"] = (re.sub(r"\n{3,}", "\n\n", summary).strip() + "\n").encode()
    files["index.html"] = environment(FOLDER).get_template("transfer.html.j2").render(filled).encode()
    return files
