"""Slides: a figure of each section that has one, in 16:9, with its data as CSV."""

import csv
import io
import re

import pytest

from lmzoo.report import slides
from lmzoo.report.section import sections
from tests.comparisons import comparison, made
from tests.report.crowded import crowded


def lines(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_a_report_for_slides_is_written_beside_it_and_replaces_an_older_one(tmp_path):
    folder = slides.write(tmp_path, made())
    assert folder == tmp_path / "slides"
    assert {path.name for path in folder.iterdir()} == {
        f"{section}.{kind}" for section in ("bars", "history", "cost", "orders") for kind in ("png", "svg", "csv")
    }
    (folder / "mine.txt").touch()
    slides.write(tmp_path, made(comparison(orders=[])))
    assert not (folder / "orders.svg").exists()
    assert (folder / "mine.txt").exists()


def test_a_slide_has_1920_by_1080_pixels():
    files = slides.render(made(comparison(orders=[])))
    width, height = (int.from_bytes(files["bars.png"][at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (1920, 1080)
    assert re.search(rb'width="960pt" height="540pt"', files["bars.svg"])


def test_the_data_of_a_figure_are_what_it_shows():
    files = slides.render(made())
    bars = lines(files["bars.csv"])
    assert [one["label"] for one in bars][:3] == ["true source", "ngram order=5", "ngram order=3"]
    assert [float(one["bits per character"]) for one in bars][:3] == [1.1, 1.31, 1.47]
    assert (bars[1]["low"], bars[1]["high"]) == ("1.29", "1.33")
    assert {one["order"] for one in lines(files["orders.csv"])} == set("123456")


@pytest.mark.parametrize("section", [one for one in sections() if one.figure.__name__ != "nothing"], ids=lambda s: s.id)
def test_every_section_that_draws_has_data(section):
    whole = made(crowded())
    facts = whole.facts.get(section.id)
    if section.facts is None or facts:
        assert section.data(facts, whole)


def test_a_label_is_no_formula_in_a_spreadsheet():
    assert slides.table([{"label": "=1+1", "x": -1.5}, {"label": "a,b", "y": None}]) == (
        b'label,x,y\n\'=1+1,-1.5,\n"a,b",,\n'
    )
