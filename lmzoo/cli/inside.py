"""`lmzoo inside RUN TEXT`: attention, gates and cells, and the logit lens of a network that reads a text."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, show_json, show_table, show_wrapped
from lmzoo.cli.options import Code, Device, Json, Mirror, Quiet, run_argument
from lmzoo.errors import naming, one_line

ATTENDED = 3  # tokens in a row of the table
CHARACTERS = 14  # of a token

RunFolder = Annotated[Path, run_argument("Folder of a run of a neural network, or its name in runs/.")]


@command("inside", epilog="Example: lmzoo inside runs/gpt 'The cat sat because it' --layer 1 --head 2")
def show_inside(
    run: RunFolder,
    text: Annotated[str, typer.Argument(help="The text that it reads.")],
    layer: int = 1,  # Whose head or cell is shown, from 1.
    head: int = 1,  # A head of attention, from 1.
    cell: int = 1,  # A cell of a recurrent layer, from 1.
    # Also measure, on the corpus of the run, whether a head finds what was repeated or the name that a pronoun means,
    # and whether a cell follows quotations, brackets, lines or sentences: chosen on one part, tested on another.
    measure: bool = False,
    mirror: Mirror = None,
    code: Code = None,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look inside a network as it reads a text.

    What a head attends to and each layer would predict, or what a cell holds and its gates do.
    """
    from lmzoo.analysis import inside
    from lmzoo.runs import store

    text_model = store.load(run, code, device)
    facts: dict[str, Any] = {"run": str(run), "model": text_model.name, "can": inside.abilities(text_model)}
    with naming(run):
        look = inside.look(text_model, text)
        if "attention" in facts["can"]:
            facts["attention"] = inside.attention(look, layer, head)
        if "lens" in facts["can"]:
            facts["lens"] = inside.lens(look)
        if "cells" in facts["can"]:
            facts["cells"] = inside.cells(look, layer, cell)
    if measure:
        facts["measured"] = _measured(run, text_model, mirror, quiet)
    return show_json(facts) if as_json else _show(facts)


def _measured(run: Path, text_model: Any, mirror: str | None, quiet: bool) -> list[dict[str, Any]]:
    from lmzoo.analysis import inside_measured
    from lmzoo.runs import store
    from lmzoo.runs.train import corpus_for

    corpus = corpus_for(run, None, store.read_provenance(run), mirror, Bars(quiet))
    return inside_measured.measure(text_model, *inside_measured.material(corpus))


def _show(facts: dict[str, Any]) -> None:
    """A table of each, then what was measured."""
    if attention := facts.get("attention"):
        print(f"layer {attention['layer']}, head {attention['head']}: what each token attends to")
        pieces = [_named(piece) for piece in attention["pieces"]]
        rows = [[piece, *_strongest(row, pieces)] for piece, row in zip(pieces, attention["weights"], strict=True)]
        show_table(("token", *["most"] + [""] * (ATTENDED - 1)), rows, numbers_from=ATTENDED + 1)
    if lens := facts.get("lens"):
        print("\nwhat each layer would predict next")
        rows = [
            [piece, *(f"{_named(guesses[0][0])} {guesses[0][1]:.2f}" for guesses in columns)]
            for piece, *columns in zip(pieces, *(one["guesses"] for one in lens), strict=True)
        ]
        show_table(("token", *(one["layer"] for one in lens)), rows, numbers_from=len(lens) + 1)
    if cells := facts.get("cells"):
        print(f"layer {cells['layer']}, cell {cells['cell']}: what it holds behind each token, and its gates")
        columns = [cells["values"], *cells["gates"].values()]
        rows = [
            [_named(piece), *(f"{x:.2f}" for x in row)] for piece, *row in zip(cells["pieces"], *columns, strict=True)
        ]
        show_table(("token", "value", *cells["gates"]), rows, numbers_from=1)
    if not any(facts.get(one) for one in ("attention", "lens", "cells")):
        show_wrapped("It has neither attention nor cells; lmzoo neighbours shows which of its word vectors are near.")
    for one in facts.get("measured", []):
        where = f"layer {one['layer']}, {'cell' if one['what'] == 'cell' else 'head'} {one['number']}"
        verdict = "" if one["passed"] else f": too little to be shown, it must be above {one['least']:.2f}"
        show_wrapped(f"{one['what']}: {where}: {one['about']}{verdict}")
    if facts.get("measured") == []:
        print("there is nothing to measure in it")


def _strongest(row: list[float], pieces: list[str]) -> list[str]:
    order = sorted(range(len(row)), key=lambda t: -row[t])[:ATTENDED]
    return [f"{pieces[t]} {row[t]:.2f}" for t in order] + [""] * (ATTENDED - len(order))


def _named(piece: str) -> str:
    return one_line(piece.replace(" ", "␣"), CHARACTERS)
