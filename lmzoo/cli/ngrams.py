"""`lmzoo explain`, `lmzoo ngrams` and `lmzoo classes`: the sums, counts and word classes of a count-based model."""

import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import figure, show_json, show_table, show_wrapped
from lmzoo.cli.options import Code, Json, Size, option, run_argument
from lmzoo.errors import UsageError, one_line

WIDTH = 80

RunFolder = Annotated[Path, run_argument("Folder of a run of the n-gram, or its name in runs/.")]


@command("explain", epilog="Example: lmzoo explain runs/storyworld-ngram 'The cat sat'")
def explain_text(
    run: RunFolder,
    text: str,  # The text to explain, token by token, from the start.
    start: bool = False,  # Also explain the first token where the training text has one beginning only.
    log10: bool = False,  # Show log₁₀ p beside bits, as KenLM and ARPA files do.
    code: Code = None,
    as_json: Json = False,
) -> None:
    """Show each probability of an n-gram as a sum to check by hand.

    A row for each order, with its counts, discount and weight.
    """
    from lmzoo.analysis import explain_ngram
    from lmzoo.runs import store

    facts = explain_ngram.explain(store.load(run, code), text)
    if as_json:
        return show_json(facts)
    print(facts[0]["formula"])
    for line in explain_ngram.legend(facts[0]):
        show_wrapped(f"  {line}")
    print()
    first = facts[0]
    if len(facts) > 1 and first["history"] and first["starts"] == 1 and not start:
        show_wrapped(
            f"“{first['token']}” is read as context: the training text has one beginning, so nothing is known of how "
            f"texts begin ({first['bits']:.2f} bits; --start explains them)"
        )
        print()
        facts = facts[1:]
    for fact in facts:
        show_sum(fact, log10)
    return None


@command("ngrams", epilog="Example: lmzoo ngrams runs/storyworld-ngram 'The cat'")
def list_ngrams(
    run: RunFolder,
    context: Annotated[str, typer.Argument(help="The words before; none: the most frequent tokens.")] = "",
    top: int = 20,  # How many to list, 1 or more.
    everything: Annotated[bool, option("--all", "The likeliest next tokens, seen there or not.")] = False,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """List what followed a context in training, and how often."""
    from lmzoo.analysis import explain_ngram
    from lmzoo.runs import store

    facts = explain_ngram.continuations(store.load(run, code), context, top, everything)
    return show_json(facts) if as_json else show_continuations(facts)


def show_sum(fact: dict[str, Any], log10: bool = False) -> None:
    """One token: its history, a row for each order, the sum and its value."""
    asked = f"{fact['token']} | {' '.join(fact['history'])}" if fact["history"] else fact["token"]
    print(f"{'P' if fact['is_distribution'] else 'score'}({asked})")
    if len(fact["context"]) < len(fact["history"]):
        unseen = " ".join(fact["history"][-len(fact["context"]) - 1 :])
        show_wrapped(f"  “{unseen}” was never followed by anything: the model backs off to {_quoted(fact['context'])}")
    _show_terms(fact)
    value = fact["probability"]
    lines = textwrap.wrap(f"= {fact['sum']}", WIDTH - 2, break_long_words=False)
    print(textwrap.indent("\n".join(lines), "  "))
    print(f"  = {value:.5g}" + _logs(fact, log10) + "\n")


def _logs(fact: dict[str, Any], log10: bool) -> str:
    if fact["bits"] is None:
        return ", impossible: an infinity of bits"
    tens = f", log₁₀ {fact['log10']:.4f}" if log10 else ""
    return f", {fact['bits']:.3f} bits{tens}" if fact["is_distribution"] else tens


def _show_terms(fact: dict[str, Any]) -> None:
    """A row for each order; columns without a value are left out."""
    terms = fact["terms"]
    adjusted = any(term["adjusted"] is not None for term in terms)
    weight = next((term["weight_name"] for term in terms if term["weight_name"]), "")
    columns = {
        "c(hw)": [figure(term["count"], ",") for term in terms],
        "a(hw)": [figure(term["adjusted"], ",") for term in terms],
        "a(h·)" if adjusted else "c(h·)": [figure(term["total"], ",") for term in terms],
        "N₁₊(h·)": [figure(term["kinds"], ",") for term in terms],
        weight: [figure(term["weight"], ".3f") for term in terms],
        "α(w|h)": [f"{term['alpha']:.4g}" if term["seen"] else "–" for term in terms],
        "γ(h)": ["–" if term["backed_off"] else f"{term['gamma']:.4g}" for term in terms],
        "p(w|h)" if fact["is_distribution"] else "s(w|h)": [f"{term['probability']:.4g}" for term in terms],
    }
    if fact["smoothing"] == "modified-kneser-ney":
        del columns["N₁₊(h·)"]  # useless alone where there are three discounts, and a slide has 80 columns
    shown = {name: cells for name, cells in columns.items() if name and set(cells) != {"–"}}
    room = WIDTH - 8 - sum(max(map(len, [name, *cells])) + 2 for name, cells in shown.items())
    rows = [
        [str(term["order"]), _fitting(term["context"], room), *(cells[i] for cells in shown.values())]
        for i, term in enumerate(terms)
    ]
    uniform = ["0", "1/V", *[""] * (len(shown) - 1), f"{1 / fact['vocabulary']:.4g}"]
    show_table(("n", "h", *shown), [*rows, uniform], numbers_from=2)


def _fitting(names: list[str], room: int) -> str:
    """A context in at most `room` characters, its oldest tokens left out: the title has them all."""
    newest = list(names)
    while len(newest) > 1 and len(" ".join(newest)) + 2 * (newest != names) > room:
        newest = newest[1:]
    text = ("… " if newest != names else "") + " ".join(newest)
    return (text if len(text) <= room else "…" + text[1 - max(room, 2) :]) if names else "–"


def show_continuations(facts: dict[str, Any]) -> None:
    """The tokens that followed, and the probability mass of all others."""
    asked, context = facts["asked"], facts["context"]
    if len(context) < len(asked):
        unseen = " ".join(asked[-len(context) - 1 :])
        show_wrapped(f"“{unseen}” was never followed by anything: the model backs off to {_quoted(context)}")
    after = f" after {_quoted(context)}" if context else ""
    times = "" if facts["total"] is None else f", {facts['total']:,} times in all"
    print(f"{facts['kinds']:,} different tokens seen{after}{times}")
    rows = [[row["token"], figure(row["count"], ","), f"{row['probability']:.4g}"] for row in facts["next"]]
    show_table(("token", "count", "probability" if facts["left"] is not None else "score"), rows, numbers_from=1)
    if facts["left"] is not None:
        print(f"all other tokens together: {facts['left']:.4f} of the probability")


def _quoted(context: list[str]) -> str:
    return f"“{' '.join(context)}”" if context else "no context at all"


@command(
    "classes",
    epilog="Example: lmzoo train classes --corpus storyworld; lmzoo classes runs/storyworld-classes --words 12",
)
def show_classes(
    run: Annotated[Path, run_argument("Folder of a run that `lmzoo train classes` made, or its name in runs/.")],
    words: Size = 10,  # How many words of each class to show, 1 or more.
    as_json: Json = False,
) -> None:
    """Show the word classes of a run, with their frequent words.

    The most used class comes first.
    """
    facts = describe(run, words)
    if as_json:
        return show_json({"run": str(run), "classes": facts})
    spaced = any(word.startswith(" ") for fact in facts for word in fact["most_frequent"])
    rows = []
    for fact in facts:
        shown = "  ".join(_shown(word, spaced) for word in fact["most_frequent"])
        rows.append([str(fact["class"]), shown, f"{fact['words']:,}", f"{fact['share']:.2%}"])
    show_table(("class", "its most frequent words", "words", "of the text"), rows, numbers_from=2)
    if spaced:
        print("+ marks a word that has no space before it")
    return None


def _shown(word: str, spaced: bool) -> str:
    """A token as people read it: where words include the space before them, one without it is marked ("+ing")."""
    return one_line(word) if not spaced or word.startswith(" ") else f"+{one_line(word)}"


def describe(run: Path, words: int) -> list[dict[str, Any]]:
    """Each class of a run, the most used first: its number, occurrences and their share, size and `words` top words.

    Raises UsageError where the run's model has no classes, and as `store.load` does.
    """
    from lmzoo.models.classes import Classes
    from lmzoo.runs import store

    model, tokenizer = store.load(run)
    if not isinstance(model, Classes):
        raise UsageError(f"{run}: {model.name} has no word classes; lmzoo train classes finds some")
    counts = model.counts()
    facts = []
    for number in (-counts).argsort(kind="stable").tolist():
        members = model.members(number)
        facts.append(
            {
                "class": number,
                "occurrences": int(counts[number]),
                "share": counts[number] / max(int(counts.sum()), 1),
                "words": len(members),
                "most_frequent": [tokenizer.token(word) for word in members[:words]],
            }
        )
    return facts
