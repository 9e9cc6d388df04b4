"""The figures of `lmzoo finetune` and `lmzoo transfer`."""

from lmzoo.report.canvas import COLOURS, WIDE, shade
from lmzoo.report.transfer_figures import label_curves, numbered_curves, row_colour
from lmzoo.tasks.finetuning.grid import Point

FAMILIES = {"gpt": "transformer", "gpt-large": "other", "lstm": "recurrent"}


def point(row, labels, mean):
    return Point(row, "SST-2", "accuracy", labels, (mean - 0.1, mean + 0.1), mean, (mean - 0.9, mean + 0.9), 40)


def test_a_row_has_the_colour_of_its_run_and_those_of_a_family_differ():
    assert row_colour("gpt, fine-tuned", FAMILIES) == COLOURS["transformer"]
    assert row_colour("gpt-large, fine-tuned", FAMILIES) == COLOURS["other"]
    assert row_colour("glove, pooled", FAMILIES) == COLOURS["association"]
    assert row_colour("TF-IDF", FAMILIES) == COLOURS["baseline"]
    two = {**FAMILIES, "rnn": "recurrent"}
    lstm, rnn = (row_colour(f"{name}, from scratch", two) for name in ("lstm", "rnn"))
    assert (lstm, rnn) == (COLOURS["recurrent"], shade(COLOURS["recurrent"], 1)) and lstm != rnn


def test_a_network_without_pretraining_is_a_dashed_curve_beside_that_with_it_and_baselines_are_grey():
    names = ("gpt, fine-tuned", "gpt, from scratch", "TF-IDF")
    rows = [point(row, labels, 0.5 + labels / 400) for row in names for labels in (10, 100)]
    figure, alt = label_curves([*rows, point("majority class", 100, 0.4)], FAMILIES, WIDE)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and axes.get_ylabel() == "SST-2: accuracy"
    assert figure.get_figwidth() <= 8  # else letters of 13 points are none when it stands beside a headline
    curves = [line for line in axes.lines if line.get_marker() not in ("None", "")]
    assert [(line.get_linestyle(), line.get_color()) for line in curves] == [
        ("-", COLOURS["transformer"]), ("--", COLOURS["transformer"]), ("-", COLOURS["baseline"]),
    ]  # fmt: skip
    intervals = [tuple(line.get_ydata()) for line in axes.lines if line not in curves]
    assert (0.75 - 0.9, 0.75 + 0.9) in intervals
    low, high = axes.get_ylim()
    assert 0.3 < low < 0.4 and 0.75 < high < 0.9  # the intervals of two seeds do not fill the figure
    assert "gpt, from scratch 0.53 with 10 and 0.75 with 100" in alt
    assert label_curves(rows[:1], FAMILIES, WIDE) is None


def test_curves_over_a_number():
    curves = {"lstm": [(float(n), point("lstm", 10, 0.5 + n / 10)) for n in range(3)], "gpt": []}
    figure, alt = numbered_curves(curves, FAMILIES, "layers", "score", WIDE)
    (axes,) = figure.axes
    assert axes.get_xscale() == "linear" and [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "2"]
    assert axes.lines[0].get_color() == COLOURS["recurrent"]
    assert alt == "score against layers: lstm 0.50 at 0 and 0.70 at 2."
    assert numbered_curves({"lstm": curves["lstm"][:1]}, FAMILIES, "layers", "score", WIDE) is None
