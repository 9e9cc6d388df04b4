"""The page of a report: alone, safe, true to its numbers, and for everybody."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from lmzoo.report import page as report
from lmzoo.report.finding import finding
from lmzoo.report.sections.passages import EDGES, SCALE, Piece, level, piece_said, word_said
from lmzoo.report.sections.table import main_table
from tests.comparisons import (
    SHA,
    STORY,
    comparison,
    examination,
    made,
    others_figures,
    passage,
    public_sets,
    read_passage,
    render,
    row,
    view,
    with_associations,
)


@pytest.fixture(scope="module")
def page() -> str:
    html = render()["index.html"].decode()
    assert "could not be computed" not in html
    return html


def html(**changes: object) -> str:
    return render(comparison(**changes))["index.html"].decode()


class Reader(HTMLParser):
    """Everything a test wants to know of a page: its tags with their attributes, and its text."""

    def __init__(self, source: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags[-1:] and self.tags[-1][0] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


# Self-contained


def test_nothing_is_loaded_from_outside(page):
    reader = Reader(page)
    loads = [value for _, found in reader.tags for name, value in found.items() if name in ("src", "srcset", "data")]
    assert loads
    assert all(value and value.startswith("data:image/svg+xml;base64,") for value in loads)
    assert [link["href"] for link in reader.all("link")] == ["data:,"]
    assert all(anchor["href"].startswith("#") for anchor in reader.all("a"))
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket", page)
    assert not any(tag in ("iframe", "object", "embed", "base", "form") for tag, _ in reader.tags)


def test_the_policy_allows_the_inline_style_and_script_and_nothing_else(page):
    policy = next(m["content"] for m in Reader(page).all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        (source,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<[^>]+ (style|on\w+)=", page)


# Text from outside


EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>{{ 7*7 }}'


def test_text_from_outside_is_only_ever_text():
    evil = comparison(title=EVIL, machine=EVIL, command=EVIL, commit=EVIL, versions={"lmzoo": EVIL, EVIL: EVIL})
    evil["corpus"] |= dict.fromkeys(("name", "title", "licence", "citation", "source", "protocol"), EVIL)
    evil["rows"][0] |= {
        "label": EVIL,
        "paper": EVIL,
        "tokenizer": EVIL,
        "config": {EVIL: EVIL},
        "notes": [EVIL],
    }
    evil["rows"][0]["size"] |= {"unit": EVIL}
    evil["rows"][3] |= {"error": EVIL}
    evil["references"][0] |= {"label": EVIL, "note": EVIL}
    evil["differences"][0] |= {"a": EVIL}
    evil["orders"][0] |= {"smoothing": EVIL}
    evil["passages"] = [passage(EVIL, 3, EVIL), read_passage("uniform", len(EVIL), EVIL)]
    evil["samples"][0] |= {"label": EVIL, "prompt": EVIL, "text": EVIL}
    reader = Reader(render(evil)["index.html"].decode())
    assert len(reader.all("script")) == 1
    assert all(set(image) == {"src", "alt"} for image in reader.all("img"))
    assert not any(name.startswith("on") for _, found in reader.tags for name in found)
    assert reader.text.count(EVIL) >= 12
    assert "49" not in Reader(html(title="{{ 7*7 }}")).all("title")


@pytest.mark.parametrize("text", ["\x00\x1b[31m", "\ud800 half", "שלום עולם", "日本語 😀 ‮evil", "$x^2$ \\frac", ""])
def test_strange_text_is_shown_and_breaks_nothing(tmp_path, text):
    strange = comparison(title=text, samples=[{"label": text, "prompt": text, "seed": 0, "text": text}])
    strange["rows"][1]["label"] = text
    strange["passages"] = [passage(text, 1, text)]
    strange["orders"][0]["smoothing"] = text
    path = report.write(tmp_path, made(strange))
    shown = path.read_text(encoding="utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    assert ("\ufffd" in shown) == ("\x00" in text or "\ud800" in text)
    assert json.loads((path.parent / "results.json").read_text(encoding="utf-8"))["title"] == text.replace(
        "\ud800", "\ufffd"
    )


# What the page says


def test_the_page_opens_with_the_finding(page):
    said = finding(made())
    assert said == [
        "Ngram order=5 needs 1.31 bits per character, 0.21 above the source; ngram order=3 needs 1.47.",
        "The next best, ngram order=3, needs 0.16 bits per character more (95 % interval 0.140 to 0.180).",
        "1 of 4 models could not be scored; the notes under the table say why.",
    ]
    text = Reader(page).text
    assert all(sentence in text for sentence in said)


def test_every_number_stands_beside_what_it_was_divided_by(page):
    text = Reader(page).text
    for shown in (
        "262,000.0",
        "200,000",
        "200,020",
        "50,000",
        "40,000",
        "1.31000",
        "AMD EPYC",
        "01808a0",
        SHA,
    ):
        assert shown in text
    assert "220,000.0 bits / 200,000 characters = 1.10000 bits per character" in text


def test_a_row_scored_on_another_text_is_marked():
    other = comparison()
    other["rows"][0]["score"]["sha256"] = "00" * 32
    assert html().count("not the test text below") == 0
    assert render(other)["index.html"].decode().count("not the test text below") == 1


def test_a_run_from_before_has_the_command_that_trained_it():
    made = {"command": "lmzoo train ngram --out runs/x", "commit": "0123456789ab"}
    here = {"command": comparison()["command"], "commit": "ba9876543210"}
    shown = html(rows=[row("x", 1.1, provenance=made), row("y", 1.2, provenance=here)])
    assert shown.count("Trained by <code>") == 1
    assert "Trained by <code>lmzoo train ngram --out runs/x</code> at commit <code>0123456789ab</code>." in shown


def test_an_error_is_a_dash_and_a_note():
    shown = Reader(html())
    assert "every token has probability zero" in shown.text
    assert {"href": "#note-1", "aria-label": "note 1"} in shown.all("a")
    assert "note-1" in [item.get("id") for item in shown.all("li")]


@pytest.mark.parametrize("section", ["differences", "passages", "samples"])
def test_a_section_without_data_is_left_out(page, section):
    absent = comparison()
    del absent[section]
    missing = render(absent)["index.html"].decode()
    for source, there in ((page, True), (html(**{section: []}), False), (missing, False)):
        reader = Reader(source)
        assert (section in [found.get("id") for found in reader.all("section")]) is there
        assert (f"#{section}" in [anchor["href"] for anchor in reader.all("a")]) is there


def test_a_figure_without_data_is_left_out(page):
    assert '<section id="orders"' in page
    assert '<section id="orders"' not in html(orders=[])


def test_without_a_known_floor_nothing_speaks_of_a_true_source():
    given = comparison(samples=[])
    given["corpus"]["floor_bits"] = None
    shown = Reader(render(given)["index.html"].decode())
    assert "true source" not in shown.text
    assert not any("true source" in (image["alt"] or "") for image in shown.all("img"))
    assert "above" not in [column.head for column in main_table(made(given)).columns]


@pytest.mark.parametrize("rows", [[], [row("uniform", 2.5)], [row("uniform", None)]])
def test_few_rows_are_a_report_too(rows):
    text = Reader(html(rows=rows, references=[], differences=[], orders=[], passages=[], samples=[])).text
    expected = "Nothing was compared" if not rows else ("2.50 bits" if rows[0]["score"] else "1 of 1 models could not")
    assert expected in text


def test_twenty_models_are_all_drawn_and_listed():
    rows = [row(f"gpt layers={i}", 3 - i / 10) for i in range(20)]
    shown = Reader(html(rows=rows))
    labels = [found["data-value"] for found in shown.all("th") if "data-value" in found]
    assert labels == [f"gpt layers={i}" for i in reversed(range(20))]
    assert all(f"gpt layers={i} " in shown.all("img")[picture]["alt"] for i in range(20) for picture in (0, 1))


# History and cost


def test_published_figures_are_a_table_of_protocols_and_sources():
    reader = Reader(html(published=others_figures()))
    for shown in ("trigram", "1.75", "all: as a stream", "yes", "no adapts", "0.6\N{EN DASH}1.3", "A paper"):
        assert shown in reader.text
    assert all(head.get("scope") in ("col", "row") for head in reader.all("th"))
    assert len(reader.all("caption")) == len(reader.all("table")) == 5
    assert "big LSTM (2016) 1.20" in reader.all("img")[1]["alt"]


@pytest.mark.parametrize("changes", [{}, {"published": []}])
def test_without_published_figures_nothing_speaks_of_them(changes):
    assert "ublished" not in html(**changes)


def test_models_without_a_year_have_no_history_but_the_published_figures_stand():
    rows = [row("mine", 2.0, year=None), row("yours", 1.5, year=None)]
    assert '<section id="history"' not in html(rows=rows)
    shown = Reader(html(rows=rows, published=others_figures()))
    assert "big LSTM" in shown.text
    assert not any("year of the idea" in (image["alt"] or "") for image in shown.all("img"))


def test_costs_of_which_nothing_is_known_are_left_out(page):
    assert '<section id="cost"' in page
    unknown = [row(name, 2.0, train_seconds=None, size=None) for name in ("mine", "yours")]
    assert '<section id="cost"' not in html(rows=unknown)


def test_what_others_published_is_only_ever_text():
    figures = [figure | dict.fromkeys(("system", "split", "protocol", "why", "source"), EVIL)
               for figure in others_figures()]  # fmt: skip
    reader = Reader(html(published=figures))
    assert len(reader.all("script")) == 1
    assert all(set(image) == {"src", "alt"} for image in reader.all("img"))
    assert reader.text.count(EVIL) >= 15


# Associations

SECTIONS = ("distances", "factorised", "word_tests", "neighbours", "map")


def test_associations_have_sections_of_their_own_and_others_have_none_of_them(page):
    source = render(with_associations())["index.html"].decode()
    for given, there in ((source, True), (page, False)):
        ids = [found.get("id") for found in Reader(given).all("section")]
        assert [section in ids for section in SECTIONS] == [there] * 5
    text = Reader(source).text
    for shown in ("1.40, 0.70, 0.50", "PMI \N{MINUS SIGN} log 5", "300 of 353", "queen, woman", "250 MB", "RG-65"):
        assert shown in text


@pytest.mark.parametrize("absent", SECTIONS)
def test_each_part_of_what_is_said_of_associations_may_be_absent(absent):
    given = with_associations()
    del given[absent]
    assert f'id="{absent}"' not in render(given)["index.html"].decode()


def test_scores_beside_pmi_are_a_table_where_there_is_no_figure():
    given = with_associations()
    del given["factorised"][1]
    shown = Reader(render(given)["index.html"].decode())
    assert "factorised" in [found.get("id") for found in shown.all("section")]
    assert not any("minus log" in (image["alt"] or "") for image in shown.all("img"))


def test_a_page_with_associations_can_be_heard():
    reader = Reader(render(with_associations())["index.html"].decode())
    assert all(head.get("scope") in ("col", "row") for head in reader.all("th"))
    assert len(reader.all("caption")) == len(reader.all("table")) == 9
    ids = [found["id"] for _, found in reader.tags if "id" in found]
    assert len(ids) == len(set(ids))
    assert {found["aria-labelledby"] for _, found in reader.tags if "aria-labelledby" in found} <= set(ids)
    assert all(image["alt"] for image in reader.all("img"))


def test_words_from_a_text_are_only_ever_text():
    evil = with_associations()
    for key in ("distances", "factorised", "map"):
        facts = evil[key] if isinstance(evil[key], dict) else evil[key][-1]
        facts["label"] = EVIL
    evil["map"]["words"][0] = evil["neighbours"]["words"][0] = EVIL
    evil["neighbours"]["rows"][0] |= {"label": EVIL, "found": [[[EVIL, 0.5]], [[EVIL, 0.5]]]}
    reader = Reader(render(evil)["index.html"].decode())
    assert len(reader.all("script")) == 1
    assert all(set(image) == {"src", "alt"} for image in reader.all("img"))
    assert reader.text.count(EVIL) >= 5


# The exam


def test_an_exam_shows_every_grade_with_its_interval_and_an_example_of_each_question():
    given = comparison(**examination())
    given["exam"]["rows"][0]["label"] = given["exam"]["about"][0]["beginning"] = EVIL
    source = render(given)["index.html"].decode()
    reader = Reader(source)
    assert "exam" in [found.get("id") for found in reader.all("section")]
    assert len(reader.all("script")) == 1
    for shown in ("90.0 %", "80.0 % – 100.0 %", "chance", "the source", "What is asked of stars.", EVIL):
        assert shown in reader.text
    assert "<strong> sit</strong>" in source


# Test sets


def test_test_sets_have_sections_with_grades_overlap_notes_and_others_figures():
    reader = Reader(render(comparison(**public_sets()))["index.html"].decode())
    ids = [found.get("id") for found in reader.all("section")]
    assert [key in ids for key in ("probes", "zeroshot", "rescoring")] == [True] * 3
    for shown in ("1.23 %", "uniform, untrained", "ngram order=5: it cannot say so", "Somebody", "another text", "no"):
        assert shown in reader.text
    assert all(head.get("scope") in ("col", "row") for head in reader.all("th"))


@pytest.mark.parametrize("absent", ["probes", "zeroshot", "rescoring"])
def test_each_kind_of_test_may_be_absent(absent):
    given = comparison(**public_sets())
    del given[absent]
    assert f'id="{absent}"' not in render(given)["index.html"].decode()


# Passages


def test_a_passage_keeps_its_text_and_says_each_surprise(page):
    spans = [found for found in Reader(page).all("span") if "title" in found]
    given = comparison()["passages"]
    pieces = [found for found in spans if re.fullmatch(r"s[0-6]", found["class"])]
    words = [found for found in spans if re.fullmatch(r"w w[0-6]", found["class"])]
    assert len(pieces) == sum(len(p["pieces"]) for p in given)
    assert len(words) == sum(len(p.get("words", [])) for p in given)
    assert len(spans) == len(pieces) + len(words)
    for shown in re.findall(r'<div class="text passage".*?>(.*?)</div>', page, re.DOTALL):
        assert re.sub("<i>.</i>|<[^>]+>", "", shown) == STORY


def test_a_piece_says_what_the_model_expected_and_a_word_what_its_pieces_say():
    passage = next(passage for passage in made().facts["passages"] if passage.words)
    word, pieces = passage.grouped[0]
    said, *likeliest = piece_said(pieces[0]).split("\n")
    assert said == "\u201cSean\u201d: 8.7 bits, 1 in 407"
    assert likeliest == ["50.0 % \u201c cam\u201d", "0.25 % \u201cSean\u201d", "< 0.001 % \u201c\u21b5\u201d"]
    assert word_said(word, pieces).split("\n")[0] == "\u201cSean cam\u201d: 8.7 bits, 1 in 407"
    assert word_said(word, pieces).endswith("bits: its 2 pieces")
    assert tuple(piece for _, parts in passage.grouped for piece in parts) == passage.pieces


def test_passages_go_through_the_years_and_the_best_is_chosen():
    labels = ["ngram order=3", "ngram order=5", "uniform"]
    shown = view("passages", comparison(passages=[read_passage(label, 3) for label in labels]))
    assert [passage.label for passage in shown["passages"]] == ["uniform", "ngram order=3", "ngram order=5"]
    assert [made().year(passage.label) for passage in shown["passages"]] == [1928, 1995, 1995]
    assert shown["chosen"] in shown["passages"]
    reader = Reader(html(passages=[read_passage(label, 3) for label in labels]))
    chosen = [found for found in reader.all("input") if found.get("name") == "passage"]
    assert [found["id"] for found in chosen] == ["passage-1", "passage-2", "passage-3"]
    assert sum("checked" in found for found in chosen) == 1


def test_an_older_comparison_has_neither_words_nor_alternatives():
    older = html(passages=[passage("uniform", 2)], samples=[{"label": "uniform", "prompt": "", "seed": 1, "text": "a"}])
    for absent in ("Coloured by", "model expected there", "Pimentel", "copied", "<u>"):
        assert absent not in older
    assert "Read by" in older


def test_each_step_of_the_scale_is_twice_the_surprise():
    bits = [0, 0.49, 0.5, 1, 2, 4, 8, 16, 2000]
    assert [level(b) for b in bits] == [0, 0, 1, 2, 3, 4, 5, 6, 6]
    assert piece_said(Piece("a", 4)) == "\u201ca\u201d: 4.0 bits, 1 in 16"


# Samples


def test_what_a_sample_copied_is_underlined_and_said():
    page = html()
    (shown,) = re.findall("<u>([^<]*)</u>", page[page.index("<strong>The cat") :])
    assert shown == (" sits on the mat.\n" * 3)[3:30]
    assert "50 % copied; longest match 27 characters" in page
    itself = {"label": "the test text itself", "prompt": "The", "seed": None, "text": " end", "copied": 0.0,
              "least": 30, "stretches": [], "longest": {"characters": 4, "start": 0, "training_start": 1}}  # fmt: skip
    first, *_ = view("samples", comparison(samples=[*comparison()["samples"], itself]))["samples"]
    assert first.label == "the test text itself"
    assert "the continuation in the test text" in html(samples=[itself])


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_scale_darkens_step_by_step_and_its_text_is_readable():
    backgrounds = [luminance(background) for background, _ in SCALE]
    assert backgrounds == sorted(backgrounds, reverse=True)
    assert len(SCALE) == len(EDGES) + 1
    for background, ink in SCALE:
        light, dark = sorted((luminance(background), luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


# For everybody


def test_tables_and_figures_can_be_heard(page):
    reader = Reader(page)
    assert all(head.get("scope") in ("col", "row") for head in reader.all("th"))
    assert len(reader.all("caption")) == len(reader.all("table")) == 4
    first, history, cost, second = (image["alt"] for image in reader.all("img"))
    assert history.startswith("Bits per character against the year of the idea: uniform (1928) 2.46, ngram order=5")
    assert "By training time: ngram order=5 (1.23 s) 1.31; by parameters" in cost
    assert first == (
        "Bits per character, fewest first: ngram order=5 1.31, ngram order=3 1.47, uniform 2.46. "
        "For comparison: true source 1.10, xz, adaptive 1.91, bz2 alone, adaptive 2.00, gzip, adaptive 2.52."
    )
    assert "best at order 6" in second
    assert reader.all("html")[0]["lang"] == "en"
    ids = [found["id"] for _, found in reader.tags if "id" in found]
    assert len(ids) == len(set(ids))
    named = [found["aria-labelledby"] for _, found in reader.tags if "aria-labelledby" in found]
    assert set(named) <= set(ids)
    assert {anchor["href"][1:] for anchor in reader.all("a")} <= set(ids)
