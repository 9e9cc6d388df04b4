"""`lmzoo unit RUN N TEXT`: a text coloured by what one unit holds, and what the network writes with it held fast."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, hold, say, show, show_json, show_table, show_wrapped
from lmzoo.cli.exchange import claimed_file, write_file
from lmzoo.cli.options import Code, Count, Device, Json, Quiet, Seed, run_argument
from lmzoo.errors import UsageError, cleaned, in_range, naming

if TYPE_CHECKING:
    from lmzoo.evaluation.text_model import TextModel
    from lmzoo.report.unit_page import Reading

LONGEST = 5000  # tokens of a text
SAMPLE = 400  # tokens that the network writes to see how low and high a unit goes

RunFolder = Annotated[Path, run_argument("Folder of a run of a recurrent network, or its name in runs/.")]


@command("unit", epilog="Example: lmzoo unit runs/lstm 7 'The old cat was happy.' --write 60 --out unit.html")
def show_unit(
    run: RunFolder,
    unit: Annotated[int, typer.Argument(metavar="N", help="A unit, from 0: `lmzoo probe --units` names the best.")],
    text: Annotated[str, typer.Argument(help="The text that it reads.")],
    write: Count = 0,  # Also go on with the text for so many tokens: freely, and with the unit held low and high.
    low: float | None = None,  # Where it is held low. [default: the lowest in what the network writes freely]
    high: float | None = None,  # Where it is held high. [default: the highest there]
    temperature: float = 1.0,  # Of what is written: below 1 less random; 0: greedy.
    out: Path | None = None,  # An HTML file for the coloured texts.
    overwrite: bool = False,  # Replace a file that is there already.
    seed: Seed = 0,
    code: Code = None,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Colour a text by what one unit of a recurrent network holds.

    The text is read as reviews were for the sentiment neuron (Radford et al. 2017), between a line end and a space.
    """
    from lmzoo.evaluation import units
    from lmzoo.report import unit_page
    from lmzoo.runs import store

    if out:
        hold(claimed_file(out, overwrite))
    text_model = store.load(run, code, device)
    in_range("temperature", temperature, 0, why="0 is greedy")
    with naming(run):
        units.check(text_model, unit)
    title = f"unit {unit} of {run.name or run}"
    readings = [_read(text_model, unit, text, title)]
    facts: dict[str, Any] = {"run": str(run), "model": text_model.name, "unit": unit, "text": _facts(readings[0])}
    if write:
        facts["written"] = _written(text_model, unit, text, write, (low, high), (temperature, seed), Bars(quiet))
        for one in facts["written"]:
            readings.append(_read(text_model, unit, text + one["text"], f"{title} in a text written {one['how']}"))
    if out:
        write_file(out, unit_page.page(readings).encode(), overwrite)
    return show_json(facts) if as_json else _show(readings[0], facts)


def _read(text_model: "TextModel", unit: int, text: str, title: str) -> "Reading":
    from lmzoo.evaluation import units
    from lmzoo.report.unit_page import Reading

    ids = units.encoded(text_model, text)
    if len(ids) > LONGEST:
        raise UsageError(f"the text has {len(ids):,} tokens: at most {LONGEST:,} can be coloured")
    values = units.values(text_model, ids)[:, unit]
    return Reading(title, text_model.tokenizer.pieces(ids), [round(float(value), 4) for value in values])


def _written(
    text_model: "TextModel",
    unit: int,
    text: str,
    length: int,
    ends: tuple[float | None, float | None],
    how: tuple[float, int],
    bars: Bars,
) -> list[dict[str, Any]]:
    """The text as the network goes on with it, freely and with the unit low and high."""
    import numpy as np

    from lmzoo.evaluation import generation, units

    temperature, seed = how
    ids = text_model.tokenizer.encode(text_model.tokenizer.normalize(text))
    model = units.network(text_model)
    low, high = ends
    if low is None or high is None:
        sample = np.fromiter(generation.generate(model, ids, SAMPLE, seed=seed), np.int32)
        values = units.values(text_model, np.concatenate([ids, sample]))[len(ids) :, unit]
        low = float(values.min()) if low is None else low
        high = float(values.max()) if high is None else high
    written = []
    ways = (("freely", None), (f"with it at {low:.3g}", low), (f"with it at {high:.3g}", high))
    for name, value in bars.track("writing", ways):
        one = text_model if value is None else units.clamped(text_model, unit, value)
        tokens = generation.generate(one.model, ids, length, temperature=temperature, seed=seed)
        written.append({"how": name, "value": value, "text": "".join(one.text_of(tokens, ids))})
    return written


def _facts(reading: "Reading") -> dict[str, Any]:
    return {"pieces": list(reading.pieces), "values": list(reading.values), "colours": reading.colours()}


def _show(reading: "Reading", facts: dict[str, Any]) -> None:
    """The text in colours where the terminal has them; its words and values elsewhere."""
    from rich.console import Console
    from rich.text import Text

    from lmzoo.report import unit_page

    if Console().color_system:
        coloured = Text()
        for piece, hue in zip(reading.pieces, reading.colours(), strict=True):
            coloured.append(cleaned(unit_page.shown(piece)), f"black on {hue}")
        show(coloured)
    else:
        show_table(("", "value"), [[word, f"{value:.3f}"] for word, value in _words(reading)], numbers_from=1)
    show_wrapped(reading.caption)
    for one in facts.get("written", []):
        say("", f"{one['how']}:", cleaned(f"{''.join(reading.pieces).strip()}{one['text']}"))


def _words(reading: "Reading") -> Sequence[tuple[str, float]]:
    """Each word, and what the unit held behind its last token."""
    words: list[tuple[str, float]] = []
    for piece, value in zip(reading.pieces, reading.values, strict=True):
        begins = not words or piece[:1].isspace() or words[-1][0][-1:].isspace()
        words = [*words, (piece, value)] if begins else [*words[:-1], (words[-1][0] + piece, value)]
    return [(word.strip(), value) for word, value in words if word.strip()]
