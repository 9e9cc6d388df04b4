"""A mean over a suite, "glue-mini": what GLUE asks that can be had here."""

from lmzoo.report.transfer.experiment import Experiment, Found, Lab, by_task, is_half, notes_of, over_seeds

MEMBERS = ("sst2", "cola", "sick", "rte", "trec")
FEWEST = 3  # tasks of which a mean says something


def run(lab: Lab) -> Found:
    """All rows on all members that were asked for, from all labels."""
    trials = [lab.trial(one) for name in MEMBERS for one in lab.sets.get(name, ()) if not is_half(one)]
    points = lab.points(lab.all_rows(), trials, [lab.one_size()])
    means = [point for point in points if point.task.startswith("mean of ") and point.mean is not None]
    said = "No row has a score on all of them."
    if means:
        first, *others = sorted(means, key=lambda point: -(point.mean or 0))
        said = f"{first.row[0].upper()}{first.row[1:]} has the highest mean, {100 * (first.mean or 0):.1f}"
        said += f"; {others[0].row} follows with {100 * (others[0].mean or 0):.1f}." if others else "."
    return Found(
        said,
        [
            (
                f"Accuracies, CoLA's Matthews correlation and SICK-R's Pearson's, times a hundred. {over_seeds(lab)}",
                by_task(points),
            )
        ],
        facts={"points": [vars(point) for point in points]},
        notes=notes_of(points),
    )


experiment = Experiment(
    "suite",
    "Glue-mini",
    80,
    "SST-2, CoLA, SICK (entailment, relatedness), RTE 1 to 3 and TREC, each with all its labels, and their mean as "
    "GLUE takes it: every task counts alike, whatever its metric.",
    lambda lab: (
        "" if len([name for name in MEMBERS if name in lab.sets]) >= FEWEST else f"three of {', '.join(MEMBERS)}"
    ),
    run,
)
