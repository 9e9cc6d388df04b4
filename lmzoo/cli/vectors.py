"""`lmzoo neighbours`, `analogy`, `similarity`, `odd` and `map`: word vectors."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, figure, show_facts, show_json, show_table, show_wrapped
from lmzoo.cli.options import Code, Json, Mirror, Quiet, Seed, Size, run_argument, whole
from lmzoo.errors import UsageError, naming, one_line, one_of

if TYPE_CHECKING:
    from lmzoo.analysis.word_vectors import Vectors

ABREAST = 4  # columns of neighbours that fit on a slide
TASK, QUESTIONS, PAIRS = "words", "questions-words", "EN-"

Source = Annotated[
    Path, run_argument("Run of pmi, svd, glove or word2vec (folder, or name in runs/), or a file of vectors.")
]
Top = Annotated[int, whole("--top", "How many to show, 1 or more.", least=1)]


@command("neighbours", epilog="Example: lmzoo neighbours runs/wikitext2-svd king river")
def show_neighbours(
    run: Source,
    words: Annotated[list[str], typer.Argument(metavar="WORD", help="One word or several.")],
    top: Top = 10,
    code: Code = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the nearest neighbours of a word, by cosine similarity."""
    vectors = open_vectors(run, code, quiet)
    vectors.places(words)  # names all unknown words at once
    neighbours = {word: vectors.neighbours(word, top) for word in words}
    if as_json:
        return show_json(
            {"run": str(run), "neighbours": {word: _facts(near, "cosine") for word, near in neighbours.items()}}
        )
    for first in range(0, len(neighbours), ABREAST):
        shown = list(neighbours.items())[first : first + ABREAST]
        rows = [[_cell(*near[n]) if n < len(near) else "" for _, near in shown] for n in range(len(shown[0][1]))]
        show_table([one_line(word) for word, _ in shown], rows, numbers_from=len(shown))
    return None


@command(
    "analogy",
    epilog="Examples: lmzoo analogy runs/wikitext2-svd man woman king; lmzoo analogy runs/wikitext2-svd --method both",
)
def show_analogy(
    run: Source,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="A B C",
            help="A is to B as C is to what? None: the 19,544 questions of Mikolov et al. 2013.",
            show_default=False,
        ),
    ] = None,
    method: str = "add",  # add (3CosAdd), mul (3CosMul) or both; see Levy & Goldberg 2014.
    top: Top = 5,
    restrict: Size = 30_000,  # Ask only among this many of the most frequent words.
    code: Code = None,
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Solve an analogy, or all 19,544 of Mikolov et al."""
    from lmzoo.analysis.word_vectors import METHODS

    one_of("method", method, (*METHODS, "both"))
    if words and len(words) != 3:
        raise UsageError(
            f"an analogy takes three words, as man woman king, or none for the well-known questions; not {len(words)}"
        )
    vectors = open_vectors(run, code, quiet)
    methods = METHODS if method == "both" else (method,)
    if not words:
        return _show_questions(run, vectors, methods, restrict, mirror, as_json, quiet)
    a, b, c = words
    answers_by = {one: vectors.analogy(a, b, c, top, one) for one in methods}
    if as_json:
        answers = {one: _facts(best, "score") for one, best in answers_by.items()}
        return show_json({"run": str(run), "words": words, "answers": answers})
    print(one_line(f"{a} is to {b} as {c} is to …"))
    rows = [[_cell(*answer) for answer in answers] for answers in zip(*answers_by.values(), strict=True)]
    names = {"add": "3CosAdd", "mul": "3CosMul"}
    return show_table([names[one] for one in answers_by], rows, numbers_from=len(answers_by))


def _show_questions(
    run: Path,
    vectors: "Vectors",
    methods: tuple[str, ...],
    restrict: int,
    mirror: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """The accuracy of each section of the questions, a column for each method."""
    from lmzoo.analysis.word_similarity import solve_analogies
    from lmzoo.data import task_cards

    questions = task_cards.fetch(TASK, mirror, Bars(quiet))[QUESTIONS]
    results = {one: solve_analogies(vectors, questions, restrict, one) for one in methods}
    if as_json:
        return show_json({"run": str(run), "questions": results})
    first = results[methods[0]]
    rows = []
    for n, section in enumerate(first["sections"]):
        rows.append(_score_cells([results[one]["sections"][n] for one in methods], section["section"]))
    rows += [_score_cells([results[one][key] for one in methods], key) for key in ("semantic", "syntactic", "total")]
    columns = [column for one in methods for column in (one, "right")]
    show_table(("section", *columns, "asked", "of all"), rows, numbers_from=1)
    asked, limit = first["total"]["questions"], first["restrict"]
    show_wrapped(
        f"{asked:,} of {asked + first['unanswerable']:,} questions could be asked: their words are all among the "
        f"{limit:,} most frequent"
    )
    return None


def _score_cells(scores: list[dict[str, Any]], name: str) -> list[str]:
    asked, left_out = scores[0]["questions"], scores[0]["unanswerable"]
    right = [(figure(score["accuracy"], ".1%"), f"{score['correct']:,}") for score in scores]
    return [name, *(cell for cells in right for cell in cells), f"{asked:,}", f"{asked + left_out:,}"]


@command("similarity", epilog="Examples: lmzoo similarity runs/wikitext2-svd cup mug; lmzoo similarity vectors.txt")
def show_similarity(
    run: Source,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORD WORD", help="Two words. None: the sets of human similarity judgments.", show_default=False
        ),
    ] = None,
    code: Code = None,
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare two words, or all similarities with people's.

    The cosine of two words, or the correlation of cosines with human similarity judgments.
    """
    if words and len(words) != 2:
        raise UsageError(f"give two words to compare, or none for the sets of human judgments; not {len(words)}")
    vectors = open_vectors(run, code, quiet)
    if words:
        cosine = vectors.similarity(*words)
        return show_facts({"run": str(run), "words": words, "cosine": cosine}, as_json, f"{cosine:.4f}")
    from lmzoo.analysis.word_similarity import judge
    from lmzoo.data import task_cards

    sets = task_cards.fetch(TASK, mirror, Bars(quiet))
    results = {name.removeprefix(PAIRS): judge(vectors, text) for name, text in sets.items() if name.startswith(PAIRS)}
    if as_json:
        return show_json({"run": str(run), "sets": results})
    rows = []
    for name, facts in results.items():
        figures = [figure(facts[key], ".3f") for key in ("spearman", "pearson")]
        rows.append([name, *figures, f"{facts['pairs']:,}", f"{facts['pairs'] + facts['unknown']:,}"])
    show_table(("human judgments", "Spearman", "Pearson", "pairs", "of all"), rows, numbers_from=1)
    show_wrapped("pairs: those whose words are both known; only figures over the same pairs can be compared")
    return None


@command("odd", epilog="Example: lmzoo odd runs/wikitext2-svd breakfast cereal dinner lunch")
def show_odd(
    run: Source,
    words: Annotated[list[str], typer.Argument(metavar="WORD", help="Three words or more.")],
    code: Code = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show which of several words does not belong.

    It is the one farthest from their mean.
    """
    scored = open_vectors(run, code, quiet).odd_one_out(words)
    if as_json:
        return show_json({"run": str(run), "odd": scored[0][0], "words": _facts(scored, "cosine")})
    print(f"{one_line(scored[0][0])} does not belong")
    rows = [[one_line(word), f"{cosine:.3f}"] for word, cosine in scored]
    return show_table(("word", "cosine with the mean"), rows, numbers_from=1)


@command("map", epilog="Example: lmzoo map runs/wikitext2-svd king queen man woman river lake --out words.svg")
def draw_map(
    run: Source,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORD", help="None: the 60 most frequent of four letters and more.", show_default=False),
    ] = None,
    method: str = "pca",  # pca (as much of the variance as a plane can show) or tsne (neighbours together).
    out: Path = Path("map.png"),  # The picture: a PNG or SVG, which is replaced.
    seed: Seed = 0,
    code: Code = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw words in the plane, by PCA or t-SNE of their vectors."""
    from lmzoo.analysis import projection
    from lmzoo.report import word_map

    word_map.check_path(out)
    vectors = open_vectors(run, code, quiet)
    facts = projection.layout(vectors, words or projection.frequent_words(vectors), method, seed)
    word_map.write(out, facts, title=run.resolve().name)
    shown = "" if facts["variance"] is None else f", {sum(facts['variance']):.0%} of their variance"
    line = f"{out}: {len(facts['words'])} words by {projection.METHODS[method]}{shown}"
    show_facts({"run": str(run), "out": str(out), **facts}, as_json, line)


def open_vectors(source: Path, code: Path | None = None, quiet: bool = True) -> "Vectors":
    """The vectors of a run's folder, or of a file in the format of word2vec, GloVe or gensim.

    Raises UsageError where there is neither, or the run's model has no vectors; else as `store.load` and
    `vector_files.read` do.
    """
    from lmzoo.analysis.word_vectors import Vectors
    from lmzoo.runs import store

    if source.is_file():
        from lmzoo.formats import vectors as vector_files

        found = vector_files.read(source, progress=Bars(quiet))
        for note in [] if quiet else found.notes:
            show_wrapped(f"note: {source}: {one_line(note)}", sys.stderr)  # stdout may be JSON
        return Vectors(found.words, found.matrix)
    text_model = store.load(source, code)
    with naming(source):
        return Vectors.of(text_model)


def _cell(word: str, score: float) -> str:
    return f"{score:.3f} {one_line(word)}"


def _facts(scored: list[tuple[str, float]], name: str) -> list[dict[str, Any]]:
    return [{"word": word, name: score} for word, score in scored]
