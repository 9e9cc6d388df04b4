"""`lmzoo fill RUN TEXT`: what a masked model would put into the blanks of a text."""

from typing import Annotated

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import show_json, show_notes, show_table
from lmzoo.cli.options import Code, Device, Json, RunFolder
from lmzoo.errors import naming, one_line

AROUND = 24  # characters of the text that are shown on either side of a blank


@command("fill", epilog="Example: lmzoo fill runs/bert 'The [MASK] sat on the mat.'")
def fill_blanks(
    run: RunFolder,
    text: Annotated[str, typer.Argument(help="A text with [MASK] for each blank; one blank is one token.")],
    top: int = 5,  # Tokens to show for each blank, 1 or more.
    code: Code = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Fill the blanks of a text by a masked model, the likeliest tokens first.

    Blanks are filled each by itself, with all others hidden.
    """
    from lmzoo.data.tokenizers.lower_bpe import LOSSY
    from lmzoo.evaluation import blanks
    from lmzoo.runs import store

    text_model = store.load(run, code, device)
    with naming(run):
        filled = blanks.fill(text_model, text, top)
    notes = [LOSSY] if text_model.tokenizer.lossy else []
    if as_json:
        found = [{"position": one.position, "tokens": one.tokens} for one in filled]
        return show_json({"run": str(run), "model": text_model.name, "text": text, "blanks": found, "notes": notes})
    parts = text.split(blanks.MASK)
    for n, one in enumerate(filled):
        print("\n" if n else "", end="")
        around = f"{parts[n][-AROUND:]}{blanks.MASK}{parts[n + 1][:AROUND]}"
        around = one_line(around, len(around))
        rows = [[name.replace(" ", "␣"), f"{100 * p:.1f} %"] for name, p in one.tokens.items()]
        show_table((around, "probability"), rows, numbers_from=1)
    show_notes(notes)
    return None
