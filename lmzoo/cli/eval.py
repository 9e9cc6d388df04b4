"""`lmzoo eval RUN…`: the scores of runs on a corpus."""

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, show_json, show_scores
from lmzoo.cli.options import Code, Device, Json, Mirror, Quiet, Runs, Texts
from lmzoo.errors import UsageError, one_of


@command("eval", epilog="Example: lmzoo eval runs/storyworld-ngram runs/storyworld-uniform")
def evaluate_runs(
    runs: Runs,
    corpus: Texts = None,  # The corpus to score: a name, a text file or a folder. [default: that of the run]
    split: str = "test",  # train, valid, test, or all: the whole text.
    # stream (context carries through the text) or lines (each line alone). [default: the corpus's own]
    protocol: str | None = None,
    mix: bool = False,  # Also score their linear interpolation, with weights fitted on the validation text.
    code: Code = None,
    device: Device = "auto",
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score runs: bits per character and byte, and perplexities, with their denominators."""
    from lmzoo.data.corpus import SPLITS
    from lmzoo.evaluation.perplexity import PROTOCOLS
    from lmzoo.runs import train as training

    one_of("split", split, (*SPLITS, "all"))
    one_of("protocol", protocol or PROTOCOLS[0], PROTOCOLS)
    if mix and len(runs) < 2:
        raise UsageError("--mix needs two runs or more: lmzoo eval RUN RUN --mix")
    bars = Bars(quiet)
    scored = []
    for folder in bars.track("scoring", runs):
        scored.append(training.score_run(folder, corpus, split, protocol, code, mirror, bars, device))
    rows = [one.row for one in scored]
    if mix:
        rows.append(training.mix_runs(scored, bars))
    return show_json(rows) if as_json else show_scores(rows)
