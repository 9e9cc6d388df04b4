"""`lmzoo corpora`: the corpora there are; `fetch` downloads one, `show` describes one."""

from typing import Annotated

import typer

from lmzoo.cli.app import add_group
from lmzoo.cli.console import Bars, Commands, say, show_facts, show_json, show_notes, show_table
from lmzoo.cli.options import Json, Mirror, Quiet, Texts, with_flags
from lmzoo.errors import cleaned

CardName = Annotated[str, typer.Argument(help="A name from `lmzoo corpora`; storyworld:2MB: 2 MB of it.")]

corpora_app = typer.Typer(
    cls=Commands,
    help="List the corpora; fetch or show one.",
    epilog="Example: lmzoo corpora show storyworld",
)
add_group("corpora", corpora_app)


@corpora_app.callback(invoke_without_command=True)
def list_corpora(context: typer.Context, as_json: Json = False) -> None:
    """List the corpora that have a card. Any text file or folder of text files is a corpus too."""
    from lmzoo.data import corpus

    if context.invoked_subcommand:
        return None
    cards = list(corpus.cards().values())
    if as_json:
        return show_json([{k: v for k, v in vars(card).items() if k != "files"} for card in cards])
    rows = [[card.name, card.title, card.tokenizer, card.protocol, card.licence] for card in cards]
    show_table(("corpus", "title", "tokenizer", "protocol", "licence"), rows, numbers_from=5)
    return None


@corpora_app.command("fetch", epilog="Example: lmzoo corpora fetch shakespeare")
def fetch_corpus(name: CardName, mirror: Mirror = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Download a corpus, or copy it from the mirror, check it and cache it."""
    from lmzoo.data import corpus

    files = corpus.fetch(name, mirror=mirror, progress=Bars(quiet))
    facts = [
        {"path": file.file.path, "source": file.source, "sha256": file.sha256, "cached": file.cached} for file in files
    ]
    lines = [f"{fact['path']}  {fact['sha256']}  from {fact['source']}" for fact in facts]
    show_facts(facts, as_json, *(lines or [f"{name} is built in: nothing to fetch"]))


@corpora_app.command("show", epilog="Example: lmzoo corpora show storyworld")
@with_flags
def show_corpus(
    corpus: Texts,  # A name from `lmzoo corpora`, a text file or a folder; storyworld:2MB: 2 MB of it.
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show licence, citation, split, counts and a few lines of a corpus."""
    from lmzoo.data import corpus as corpora

    text = corpora.load(corpus, mirror=mirror, progress=Bars(quiet))
    counts = corpora.describe(text)
    facts = {key: getattr(text, key) for key in ("name", "title", "licence", "citation", "source", "split")}
    facts |= {"protocol": text.protocol, "tokenizer": text.tokenizer, "floor_bits": text.floor_bits}
    if as_json:
        return show_json({**facts, "counts": counts, "sha256": text.sha256})
    for key, value in facts.items():
        if value and key != "floor_bits":
            say(f"{key:10} {value}")
    rows = []
    for split, row in counts.items():
        floor = f"{text.floor_bits[split] / row['characters']:.4f}" if text.floor_bits else "–"
        rows.append([split, *[f"{n:,}" for n in row.values()], floor, text.sha256[split][:12] + "…"])
    show_table(("split", *next(iter(counts.values())), "true bits/char", "sha256"), rows, numbers_from=1)
    print(cleaned(text.train[:400].rstrip()) + " …")
    show_notes(text.notes)
    return None
