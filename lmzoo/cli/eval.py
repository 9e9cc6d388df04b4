"""`lmzoo eval RUN…`: the scores of runs on a corpus."""

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, show_json, show_scores, show_wrapped
from lmzoo.cli.options import Code, Device, Exact, Json, Mirror, Quiet, Runs, Texts
from lmzoo.errors import UsageError, one_of


@command("eval", epilog="Example: lmzoo eval runs/storyworld-ngram runs/storyworld-uniform")
def evaluate_runs(
    runs: Runs,
    corpus: Texts = None,  # The corpus to score: a name, a text file or a folder. [default: that of the run]
    # train, valid, test, or all: the whole text. [default: test; all of a file that the run was not trained on]
    split: str | None = None,
    # stream (context carries through the text) or lines (each line alone). [default: the corpus's own; lines after
    # `train --lines`]
    protocol: str | None = None,
    mix: bool = False,  # Also score their linear interpolation, with weights fitted on the validation text.
    code: Code = None,
    exact: Exact = False,
    device: Device = "auto",
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score runs on a text: bits per character, and perplexities.

    Numerators and denominators are printed too, with the sha256 of the text.
    """
    from lmzoo.data.corpus import SPLITS
    from lmzoo.evaluation.perplexity import PROTOCOLS
    from lmzoo.runs import score

    one_of("split", split or "all", (*SPLITS, "all"))
    one_of("protocol", protocol or PROTOCOLS[0], PROTOCOLS)
    if mix and len(runs) < 2:
        raise UsageError("--mix needs two runs or more: lmzoo eval RUN RUN --mix")
    split = split or ("test" if mix else None)  # the weights of a mixture are fitted on the validation text
    bars = Bars(quiet)
    scored = []
    for folder in bars.track("scoring", runs, str):
        scored.append(score.score_run(folder, corpus, split, protocol, code, mirror, bars, device, exact))
    rows = [one.row for one in scored]
    if mix:
        rows.append(score.mix_runs(scored, bars))
    if as_json:
        return show_json(rows)
    for line in dict.fromkeys(one.split_in_words for one in scored):  # one, unless a run was trained on it and one not
        show_wrapped(line)
    return show_scores(rows)
