"""The figures of history and of cost: what stands where, and that no name covers anything."""

import pytest
from matplotlib.text import Text

from lmzoo.comparison import published
from lmzoo.comparison.results import to_json
from lmzoo.report import canvas as figures
from lmzoo.report import labels
from lmzoo.report import points as clouds
from lmzoo.report.canvas import NARROW, WIDE, colour
from lmzoo.report.sections import history
from tests.comparisons import comparison, draw, made, others_figures, row, score
from tests.report.test_canvas import texts

BOTH = pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])


def of_words(**changes: object) -> dict:
    """A comparison on the Penn Treebank, whose tokens are the words of the text."""
    rows = [row("ngram", 1.3, tokenizer="split", year=1998), row("lstm", 1.2, tokenizer="split", year=1997)]
    return comparison(rows=rows, published=to_json(published.figures("ptb"))) | changes


def crowd() -> dict:
    """Twenty models in eight years, beside all that was published for the Penn Treebank."""
    rows = [row(f"ngram number {i}", 1.2 + i / 40, tokenizer="split", year=1990 + i % 8) for i in range(20)]
    return of_words(rows=rows)


def circles(figure) -> list[tuple[float, float]]:
    lines = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    return sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in lines)


def names(figure, known: set[str]) -> list[Text]:
    found = [text for axes in figure.axes for text in axes.texts]
    return [text for text in found if " ".join(text.get_text().split()) in known]


# History


def test_every_model_stands_at_the_year_of_its_idea_with_its_interval():
    figure, alt = draw("history", comparison(), WIDE)
    assert circles(figure) == [(1995, 1.31), (1995, 1.47)]  # uniform would squeeze them into a corner
    assert figure.axes[0].get_title(loc="left") == "▲ above the axis: xz 1.91, bz2 alone 2.00, uniform 2.46, gzip 2.52"
    whiskers = [list(line.get_ydata()) for line in figure.axes[0].lines if line.get_color() == "black"]
    assert [1.31 - 0.02, 1.31 + 0.02] in whiskers
    assert {"ngram order=5", "true source 1.10"} <= set(texts(figure))
    assert alt == (
        "Bits per character against the year of the idea: uniform (1928) 2.46, ngram order=5 (1995) 1.31, "
        "ngram order=3 (1995) 1.47. For comparison: true source 1.10, xz 1.91, bz2 alone 2.00, gzip 2.52."
    )


def test_what_others_published_is_hollow_and_people_are_a_band():
    figure, alt = draw("history", comparison(published=others_figures()), WIDE)
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in hollow] == [(1992, 1.75), (2016, 1.2)]
    assert [line.get_color() for line in hollow] == [colour("count"), colour("recurrent")]
    (band,) = figure.axes[0].patches
    assert (band.get_y(), band.get_y() + band.get_height()) == (0.6, 1.3)
    assert {"trigram", "big LSTM", "people 0.6\N{EN DASH}1.3"} <= set(texts(figure))
    assert "trigram (1992) 1.75, big LSTM (2016) 1.20." in alt
    assert alt.endswith("A band from 0.6 to 1.3: people.")


def test_the_unit_is_that_of_what_was_published():
    given = of_words()
    assert history.unit_of(made(given)) == "perplexity per token"
    assert history.unit_of(made()) == "bits per character"
    bytes_too = [figure | {"unit": "bits per byte"} for figure in others_figures()]
    figure, _ = draw("history", comparison(published=bytes_too), WIDE)
    counted = score(1.31)
    assert (1995, counted["bits"] / counted["bytes"]) in circles(figure)


def test_perplexities_have_intervals_and_compressors_in_their_unit_and_a_log_axis():
    figure, alt = draw("history", of_words(), WIDE)
    axes = figure.axes[0]
    assert axes.get_yscale() == "log"
    assert (1998, pytest.approx(2 ** (1.3 * 4))) in circles(figure)
    ends = [list(line.get_ydata()) for line in axes.lines if line.get_color() == "black" and len(line.get_ydata()) == 2]
    assert any(end == pytest.approx([2 ** (1.28 * 4), 2 ** (1.32 * 4)]) for end in ends)
    assert f"xz {2 ** (1.91 * 4):.4g}" in figure.axes[0].get_title(loc="left")
    assert "Good–Turing 5-gram (1987) 162.3" in alt


def test_perplexities_of_other_tokens_than_words_stand_beside_no_published_ones():
    given = of_words(rows=[row("gpt", 1.2, tokenizer="bpe:1000")])
    assert history.unit_of(made(given)) == "bits per character"
    figure, alt = draw("history", given, WIDE)
    assert circles(figure) == [(1995, 1.2)]
    assert "ublished" not in alt


@BOTH
def test_without_a_year_or_a_score_there_is_no_history(canvas):
    assert draw("history", comparison(rows=[row("mine", 2.0, year=None), row("ngram", None)]), canvas) is None
    assert draw("history", comparison(rows=[]), canvas) is None


@BOTH
def test_a_row_without_an_interval_is_a_point_too(canvas):
    figure, _ = draw("history", comparison(rows=[row("lstm", 1.5, interval=None)]), canvas)
    assert circles(figure) == [(1995, 1.5)]


def test_records_are_what_was_lower_than_all_before():
    points = [clouds.Point(x, y, "", "", "") for x, y in [(3, 2.0), (1, 3.0), (2, 3.5), (3, 1.0), (4, 1.0)]]
    assert [(point.x, point.y) for point in clouds.pareto_front(points)] == [(1, 3.0), (3, 1.0)]


def test_models_trained_as_in_their_year_and_as_today_are_two_kinds_of_points_and_a_line_joins_a_pair():
    rows = [
        row("lstm sgd", 1.3, year=1997, recipe="period"), row("lstm", 1.2, year=1997, recipe="today"),
        row("ngram", 1.4, year=1998, recipe="period"), row("gpt", 1.1, year=2019, recipe="today"),
    ]  # fmt: skip
    figure, alt = draw("history", comparison(rows=rows), WIDE)
    axes = figure.axes[0]
    kinds = {line.get_ydata()[0]: line.get_marker() for line in axes.lines if line.get_marker() in ("o", "D")}
    assert kinds == {1.3: "o", 1.2: "D", 1.4: "o", 1.1: "D"}
    joined = [line for line in axes.lines if list(line.get_xdata()) == [1997, 1997] and line.get_zorder() == 2]
    assert [list(line.get_ydata()) for line in joined] == [[1.3, 1.2]]
    assert axes.get_title(loc="left").startswith("● as trained in its year   ◆ with today's training")
    assert "With today's training: lstm, gpt; the others as in their year." in alt


# Names


@BOTH
@pytest.mark.parametrize("section", ["history", "cost"])
def test_no_name_covers_another_or_a_point_or_leaves_the_axes(section, canvas):
    given = crowd()
    for i, one in enumerate(given["rows"]):
        one |= {"train_seconds": 100.0 / (i + 1), "size": {"count": 10**6 // (i + 1), "unit": "n-grams", "bytes": 9**9}}
    known = {row["label"] for row in given["rows"]} | {figure["system"] for figure in given["published"]}
    figure, _ = draw(section, given, canvas)
    figure.draw_without_rendering()
    found = names(figure, known)
    assert len(found) >= 3
    boxes = [text.get_window_extent() for text in found]
    for i, (text, box) in enumerate(zip(found, boxes, strict=True)):
        assert not any(box.overlaps(other) for other in boxes[:i])
        bounds = text.axes.get_window_extent()
        assert bounds.x0 - 1 <= box.x0 <= box.x1 <= bounds.x1 + 1
        middles = [line for line in text.axes.lines if line.get_marker() == "o"]
        pixels = [text.axes.transData.transform((m.get_xdata()[0], m.get_ydata()[0])) for m in middles]
        assert not any(box.contains(x, y) for x, y in pixels)


def test_a_name_that_finds_no_room_is_left_out_and_the_first_has_the_right_of_way():
    points = [clouds.Point(1, 1, f"name {i}", "", "#000000") for i in range(60)]
    figure, axes = figures.bare_axes(NARROW, 3)
    labels.hold(figure)
    labels.name_points(axes, 10, points, points)
    said = [text.get_text() for text in axes.texts]
    assert said[0] == "name 0"
    assert 1 <= len(said) < 60


# Cost


def spenders() -> dict:
    """Three models: one cheap, one good, one neither."""
    prices = (("pmi", 2.46, 0.01), ("ngram", 1.3, 2.0), ("lstm", 1.5, 30.0))
    size = {"unit": "parameters", "bytes": 5000}
    return comparison(
        rows=[row(name, bits, train_seconds=s, size=size | {"count": int(s * 100)}) for name, bits, s in prices]
    )


def test_the_front_is_stairs_and_only_those_on_it_are_named():
    figure, alt = draw("cost", spenders(), WIDE)
    time, _, disk = figure.axes
    assert [axes.get_xscale() for axes in figure.axes] == ["log"] * 3
    (stairs,) = [line for line in time.lines if len(line.get_xdata()) > 2]
    assert list(zip(*stairs.get_data(), strict=True)) == [(0.01, 2.46), (2.0, 2.46), (2.0, 1.3), (30.0, 1.3)]
    assert [text.get_text() for text in time.texts] == ["ngram", "pmi"]
    assert [text.get_text() for text in disk.texts] == ["ngram"]  # all are as large, so only the best is on it
    assert alt == (
        "Bits per character against cost, and the models on the Pareto front. By training time: pmi (0.0100 s) "
        "2.46, ngram (2 s) 1.30; by parameters or counts: pmi (1 parameters) 2.46, ngram (200 parameters) "
        "1.30; by size on disk: ngram (5.00 kB) 1.30."
    )


@BOTH
def test_what_cost_nothing_that_was_measured_has_no_place_on_a_log_axis(canvas):
    given = spenders()
    given["rows"][0] |= {"train_seconds": None}
    given["rows"][0]["size"] = {"count": 0, "unit": "parameters", "bytes": 0}
    figure, alt = draw("cost", given, canvas)
    assert len(figure.axes) == 3
    assert "pmi" not in alt


def test_a_model_that_knows_nothing_does_not_squeeze_the_others_into_a_corner():
    given = spenders()
    given["rows"].append(row("uniform", 9.0, train_seconds=0.001))
    figure, alt = draw("cost", given, WIDE)
    assert figure.axes[0].get_ylim()[1] < 3
    assert "uniform (0.00100 s) 9.00" in alt


@BOTH
def test_one_model_has_no_cost_to_compare(canvas):
    assert draw("cost", comparison(rows=[row("ngram", 1.3)]), canvas) is None


def test_narrow_panels_stand_below_each_other():
    figure, _ = draw("cost", spenders(), NARROW)
    tops = [axes.get_position().y1 for axes in figure.axes]
    assert tops == sorted(tops, reverse=True)
    assert len({round(axes.get_position().x1, 6) for axes in figure.axes}) == 1


@pytest.mark.parametrize("section", ["history", "cost"])
def test_the_same_comparison_is_the_same_picture(section):
    def of(canvas):
        return draw(section, comparison(published=others_figures()), canvas)

    assert figures.picture(of) == figures.picture(of)
