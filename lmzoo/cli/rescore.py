"""`lmzoo rescore`: n-best rescoring, and the word error rates of models compared."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, hold, show_json, show_rows, show_wrapped
from lmzoo.cli.exchange import claimed_file, write_file
from lmzoo.cli.options import Code, Device, Json, Mirror, Quiet, Runs, Seed, Texts
from lmzoo.errors import UsageError

if TYPE_CHECKING:
    from lmzoo.tasks.nbest import NBest
    from lmzoo.tasks.rescoring import RescoringTest


@command("rescore", epilog="Example: lmzoo rescore runs/ptb-ngram runs/ptb-lstm --corpus ptb")
def rescore_lists(
    runs: Runs,
    # Make the lists from test sentences of this corpus: a name, a text file or a folder. [default: what the first run
    # was trained on]
    corpus: Texts = None,
    nbest: Path | None = None,  # Read the lists from a FILE of JSON lines: reference, candidates with text and score.
    # Weight of the model's log P beside the score; fitted on a third of the lists by default.
    weight: float | None = None,
    lists: int = 600,  # Number of lists to make, 20 or more.
    candidates: int = 50,  # Candidates of each list, at most; 2 or more.
    rate: float = 0.12,  # Errors per word of the noisy channel, above 0 and below 1.
    out: Path | None = None,  # Write the lists, with log P of each candidate, to a FILE (replaced) of JSON lines.
    seed: Seed = 0,
    code: Code = None,
    device: Device = "auto",
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rescore n-best lists, and compare word error rates.

    Models choose what was said among the candidates of a noisy channel.
    """
    if corpus and nbest:
        raise UsageError("--corpus makes n-best lists and --nbest reads them: give one of the two")
    if weight is not None and not 0 <= weight < float("inf"):
        raise UsageError(f"--weight must be 0 or more, not {weight}")
    if lists < 20 or candidates < 2:
        raise UsageError(f"there must be 20 --lists and 2 --candidates or more, not {lists} and {candidates}")
    if out:
        hold(claimed_file(out, overwrite=True))
    from lmzoo.runs import store
    from lmzoo.tasks import nbest as n_best
    from lmzoo.tasks.contamination import Overlaps
    from lmzoo.tasks.rescoring import RescoringTest

    bars = Bars(quiet)
    if nbest:
        nbest_lists, name = n_best.load(nbest), nbest.name
    else:
        source = _corpus(runs[0], corpus, mirror, bars)
        nbest_lists, name = n_best.make(source, lists, candidates, rate, seed, bars), source.name
    test = RescoringTest.of(nbest_lists)
    overlaps = Overlaps([[one.reference for one in nbest_lists]], mirror, bars)
    rows, scores = [], {}
    for run in bars.track("rescoring", runs, str):
        row, scores[str(run)] = _rescored(run, test, weight, f"n-best, {name}", code, device, bars)
        (share,) = overlaps.of(store.read_provenance(run)) or [None]
        rows.append(row | {"overlap": share})
    if out:
        _write(out, nbest_lists, scores)
    facts = _facts(test, name)
    if as_json:
        return show_json({**facts, "runs": rows})
    _show(rows, facts)
    return None


def _corpus(run: Path, corpus: Texts, mirror: str | None, bars: Bars) -> Any:
    from lmzoo.data import corpus as corpora
    from lmzoo.runs import store, train

    if corpus is None:
        store.verify(run)
        corpus = train.corpus_of(run, store.read_provenance(run))
    return corpora.load(corpus, mirror=mirror, progress=bars)


def _rescored(
    run: Path, test: "RescoringTest", weight: float | None, task: str, code: Path | None, device: str, bars: Bars
) -> tuple[dict[str, Any], list[Any]]:
    """The row of a run, and its log P of each candidate of each list."""
    from lmzoo.runs import store
    from lmzoo.tasks import rescoring

    text_model = store.load(run, code, device)
    text_model.model.warm_up()
    result, scores = rescoring.rescore(text_model, test, weight, task, bars)
    facts = {"run": str(run), "model": text_model.name, "tokenizer": text_model.tokenizer.spec}
    return {**facts, "weight": result.details.get("weight"), "grade": result.to_json()}, scores


def _facts(test: "RescoringTest", name: str) -> dict[str, Any]:
    """What is known before a model has chosen: the size of the test, the first choices and the oracle."""
    tested = ~test.is_fitted_on
    return {
        "lists": name,
        "tested": int(tested.sum()),
        "fitted_on": int(test.is_fitted_on.sum()),
        "words": int(test.words[tested].sum()),
        "with_reference": sum(one.has_reference for one in test.lists) / len(test.lists),
        "channel": test.result(test.errors_of_first, f"n-best, {name}", "the channel's first choice").to_json(),
        "oracle": test.result(test.errors_of_best, f"n-best, {name}", "the best candidate").to_json(),
    }


def _write(path: Path, lists: "Sequence[NBest]", scores: dict[str, list[Any]]) -> None:
    from lmzoo.tasks.nbest import to_json_lines

    known = {run: log_probs for run, log_probs in scores.items() if log_probs}
    more = [{"log_probs": {run: of_run[n].tolist() for run, of_run in known.items()}} for n in range(len(lists))]
    write_file(path, to_json_lines(lists, more).encode(), overwrite=True)


def _show(rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    columns = {
        "chosen by": "{name}",
        "weight": "{weight:g}",
        "word error rate": "{value:.2%}",
        "95 % interval": "{interval:.2%}",
        "overlap": "{overlap:.2%}",
    }
    unknown = {"weight": None, "overlap": None}
    shown = [unknown | facts["channel"] | {"name": "first choice of the channel"}]
    shown += [row["grade"] | row | {"name": Path(row["run"]).name or row["run"]} for row in rows]
    shown += [unknown | facts["oracle"] | {"name": "oracle: best candidates"}]
    show_rows(shown, columns, numbers_from=1)
    show_wrapped(
        f"{facts['lists']}: {facts['tested']:,} lists tested, of {facts['words']:,} words; {facts['fitted_on']:,} more "
        f"are for fitting weights; the reference is in {facts['with_reference']:.0%} of the lists"
    )
    show_wrapped(
        "overlap: the share of the references' 8-grams that occur in the run's training text, where it is available"
    )
    for row in rows:
        if row["grade"]["note"]:
            show_wrapped(f"note: {row['run']}: {row['grade']['note']}")
