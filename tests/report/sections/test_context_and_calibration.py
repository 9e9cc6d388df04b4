"""The figures of context and of calibration: where a model stops, and what its probabilities are worth."""

import pytest
from matplotlib.colors import to_rgba

from lmzoo.report.canvas import NARROW, WIDE, colour
from lmzoo.report.labels import spread
from lmzoo.report.sections.context import place_of
from tests.comparisons import comparison, contexts, draw, pairs, row, tables, view
from tests.report.test_canvas import texts

BOTH = pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])


def given(**changes: object) -> dict:
    rows = [row("uniform", 2.46), row("ngram order=5", 0.7), row("pmi", 1.4), row("lstm", 0.55), row("cache", 1.9)]
    return comparison(rows=rows, **contexts()) | changes


def crowd() -> dict:
    """Twenty models that all end within a tenth of a bit."""
    facts = contexts()
    for key, number in (("context", 1), ("calibration", 1)):
        one = facts[key]["rows"][number]
        facts[key]["rows"] = [one | {"label": f"ngram with a long name, number {i}"} for i in range(20)]
        for i, made in enumerate(facts[key]["rows"] if key == "context" else []):
            made["allowed"] = [point | {"bits_per_character": 2 - n / 2 + i / 200} for n, point in
                               enumerate(made["allowed"])]  # fmt: skip
    return given(**facts)


@BOTH
def test_without_facts_there_is_no_figure_and_no_table(canvas):
    assert draw("context", comparison(), canvas) is None
    assert draw("calibration", comparison(), canvas) is None
    assert tables("context", comparison()) == tables("calibration", comparison()) == ()
    only = {"context": {"rows": [one for one in contexts()["context"]["rows"] if not one["allowed"]]}}
    assert draw("context", given(**only), canvas) is None
    assert tables("context", given(**only)) == ()
    assert view("context", given(**only)) is None


# Context


def test_every_model_is_a_curve_in_the_colour_of_its_family():
    figure, _ = draw("context", given(), WIDE)
    allowed = figure.axes[1]
    curves = {line.get_color(): list(line.get_ydata()) for line in allowed.lines if len(line.get_xdata()) == 6}
    assert curves == {colour("recurrent"): [2.3, 1.3, 0.9, 0.7, 0.6, 0.55]}
    ngram = next(line for line in allowed.lines if list(line.get_ydata()) == [2.3, 1.2, 0.9, 0.7])
    assert list(ngram.get_xdata()) == [0, 1, 2, 3]
    assert {"uniform", "ngram order=5", "pmi", "lstm"} <= set(texts(figure))
    assert "cache" not in texts(figure)


def test_a_bar_marks_where_a_model_sees_no_further():
    figure, _ = draw("context", given(), WIDE)
    bars = {to_rgba(line.get_color()): line.get_xdata()[0] for line in figure.axes[1].lines if line.get_marker() == "|"}
    stops = {"baseline": 0, "count": 3, "association": place_of(5)}
    assert bars == {to_rgba(colour(family)): place for family, place in stops.items()}
    dotted = [line for line in figure.axes[1].lines if line.get_linestyle() == ":"]
    assert all(len(set(line.get_ydata())) == 1 for line in dotted)
    assert len({line.get_xdata()[-1] for line in dotted}) == 1


def test_context_in_words_says_what_each_gains_and_its_reach():
    _, alt = draw("context", given(), WIDE)
    assert "lstm from 2.30 without to 0.55 after 16 tokens;" in alt
    assert "ngram order=5 from 2.30 without to 0.70 after 4 tokens, its reach" in alt
    assert "uniform 2.46 with any" in alt
    assert alt.index("lstm") < alt.index("ngram") < alt.index("uniform")  # as in the table


@BOTH
def test_the_names_of_twenty_models_do_not_overlap(canvas):
    figure, _ = draw("context", crowd(), canvas)
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert all(box.x1 <= figure.bbox.width + 1 for box in boxes)


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ([1, 2, 3], [1, 2, 3]), ([2, 2], [1.5, 2.5]), ([0, 0, 5], [0, 1, 5]), ([9.8, 9.9], [9, 10]), ([], []),
        ([5, 5, 5], [4, 5, 6]),
    ],
)  # fmt: skip
def test_names_are_spread_as_little_as_can_be(heights, expected):
    assert spread(heights, 1, 0, 10) == pytest.approx(expected)


def test_the_table_leaves_empty_what_cannot_differ():
    allowed, positions = tables("context", given())
    assert allowed.heads == ["0", "1", "2", "4", "8", "16"]
    lines = {label: pairs(cells) for label, cells in allowed.lines}
    assert [text for text, _ in lines["ngram order=5"]] == ["2.300", "1.200", "0.900", "0.700", "", ""]
    assert lines["pmi"][4] == ("1.390", "at 5")
    assert lines["lstm"][5] == ("0.550", "0.50\N{EN DASH}0.60")
    assert positions.heads == ["1", "2", "3\N{EN DASH}4", "5\N{EN DASH}8"]
    assert view("context", given())["notes"] == ["cache: It adapts."]


# Calibration


@BOTH
def test_every_model_has_a_diagram_of_its_own(canvas):
    figure, alt = draw("calibration", given(), canvas)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == ["lstm", "ngram order=5", "uniform"]
    points = next(line for line in shown[0].lines if line.get_marker() == "o")
    assert points.get_color() == colour("recurrent")
    assert points.get_ydata() == pytest.approx([p / 10 + 0.05 for p in range(1, 10)])
    assert alt == (
        "Expected calibration error, a diagram for each model: lstm 0.050, underconfident; "
        "ngram order=5 0.060, overconfident; uniform 0.000."
    )


@BOTH
def test_twenty_diagrams_can_be_drawn_and_their_titles_do_not_overlap(canvas):
    figure, _ = draw("calibration", crowd(), canvas)
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes if axes.get_visible()]
    assert len(boxes) == 20
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_table_says_what_each_claims_and_what_is_true():
    (table,) = tables("calibration", given())
    found = dict(zip(table.heads, pairs(dict(table.lines)["ngram order=5"]), strict=True))
    assert found["calibration error"][0] == "0.060"
    assert found["accuracy"] == ("0.440", "0.400\N{EN DASH}0.500")
    assert found["of"] == ("5,000", "tokens")
