"""A report in headless Chromium: at every width, by mouse and keyboard, on paper, and asking nobody for anything.

A test's own script looks at the page through a frame of the width wanted: the page itself is not changed by a byte.
"""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from lmzoo.report import canvas, drawing
from lmzoo.report import page as report
from tests.comparisons import (
    associations,
    comparison,
    contexts,
    draw,
    examination,
    learning_curves,
    made,
    others_figures,
    public_sets,
    row,
)

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on the PATH"),
]

WIDTHS = (360, 1280, 1920)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--no-proxy-server",
    "--enable-logging=stderr", "--v=0",
)  # fmt: skip
# What the browser asks for of its own accord, whatever page it shows, is not the page's asking.
OWN = re.compile(r"https?://([\w-]+\.)*(google|googleapis|gstatic|gvt1)\.com")

PROBE = """<!doctype html><title>waiting</title><script>
const told = {}, source = PAGE;
const looks = WIDTHS.map(width => new Promise(done => {
  const frame = document.createElement("iframe");
  Object.assign(frame, { width, height: 720, srcdoc: source, onload: () => look(frame, width).then(done) });
  document.documentElement.append(frame);
}));
async function look(frame, width) {
  const page = frame.contentDocument, root = page.documentElement, said = told[width] = {};
  const overflow = () => Math.max(root.scrollWidth, page.body.scrollWidth) - root.clientWidth;
  const first = () => page.querySelector("tbody th").dataset.value;
  const head = n => page.querySelectorAll("thead th")[n];
  const press = (node, key) => node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const region = page.querySelector(".main").parentElement, columns = () => [...page.querySelectorAll(".main thead th")].filter(shown => shown.offsetParent).length;
  const places = () => [...page.querySelectorAll(".main tr, main > section")].map(node => node.getBoundingClientRect().top);
  const folds = [...page.querySelectorAll("main > section > details")], open = () => folds.filter(one => one.open).length;
  said.width = root.clientWidth;
  said.hero = page.querySelector(".hero img").getBoundingClientRect().bottom;
  said.sentence = page.querySelector(".finding").getBoundingClientRect().bottom;
  said.columns = [columns()];
  said.cut = region.scrollWidth - region.clientWidth;
  const before = places(), every = page.querySelector("#every-column");
  every.focus({ preventScroll: true });
  said.switch = page.activeElement === every;
  every.click();
  said.columns.push(columns());
  said.jump = Math.max(...places().map((top, n) => Math.abs(top - before[n])));
  every.click();
  said.folded = [folds.length, open()];
  page.defaultView.location.hash = page.querySelector("nav a[href='#calibration']").getAttribute("href");
  await new Promise(done => setTimeout(done, 100));
  said.folded.push(open(), page.querySelector("#calibration > details").open);
  page.defaultView.dispatchEvent(new Event("beforeprint"));
  said.folded.push(page.querySelectorAll("details:not([open])").length);
  page.defaultView.dispatchEvent(new Event("afterprint"));
  said.folded.push(open());
  said.overflow = overflow();
  said.order = [first()];
  head(1).querySelector("button").click();
  said.order.push(first(), head(1).getAttribute("aria-sort"));
  head(1).querySelector("button").click();
  said.order.push(first(), head(1).getAttribute("aria-sort"));
  const button = head(0).querySelector("button");
  button.focus();
  said.focused = page.activeElement === button && button.tabIndex === 0;
  const passages = () => [...page.querySelectorAll(".passage")].filter(shown => shown.offsetParent);
  const readout = page.querySelector(".readout"), passage = passages()[0];
  press(passage, "ArrowRight");
  said.first = readout.textContent;
  press(passage, "ArrowRight");
  said.moved = readout.textContent !== said.first;
  said.shown = [passages().length];
  page.querySelector(".by-words").click();
  said.word = readout.textContent;
  page.querySelector("#passage-1").click();
  said.other = readout.textContent;
  said.shown.push(passages().length);
  for (const closed of page.querySelectorAll("details")) closed.open = true;
  said.opened = overflow();
  said.images = [...page.images].every(image => image.complete && image.naturalWidth > 0);
  said.small = Math.min(...[...page.querySelectorAll("p, td, th, li, small")].map(node => parseFloat(getComputedStyle(node).fontSize)));
}
Promise.all(looks).then(() => document.title = JSON.stringify(told));
</script>"""  # noqa: E501


def browse(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the browser with a profile of its own."""
    assert BROWSER
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """The index.html of a comparison that has everything; one figure stands for all, since drawing them takes long."""
    parts = (associations(), contexts(), examination(), learning_curves(), public_sets())
    full = comparison(published=others_figures(), **{key: facts for part in parts for key, facts in part.items()})
    full["rows"] += [row("pmi", 1.5), row("word2vec dimensions 50", 1.6)]
    many = comparison(rows=[row(f"gpt {n}", 1.5 + n / 100) for n in range(40)])  # too high for a screen
    one = canvas.picture(lambda size: draw("bars", many, size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "picture", lambda _: one)
        return report.write(tmp_path_factory.mktemp("report"), made(full))


@pytest.fixture(scope="module")
def looked(page, tmp_path_factory):
    """What the test's script told of the page at each of WIDTHS, and what the browser wrote to its log."""
    folder = tmp_path_factory.mktemp("probe")
    source = json.dumps(page.read_text(encoding="utf-8")).replace("</", "<\\/").replace("<!--", "<\\!--")
    probe = PROBE.replace("WIDTHS", str(list(WIDTHS))).replace("PAGE", source, 1)
    (folder / "probe.html").write_text(probe, encoding="utf-8")
    ran = browse(folder, "--dump-dom", "--virtual-time-budget=10000", (folder / "probe.html").as_uri())
    (title,) = re.findall("<title>(.*?)</title>", ran.stdout)[:1]
    return json.loads(unescape(title)), ran.stderr


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen_closed_or_opened(looked, width):
    told = looked[0][str(width)]
    assert told["width"] in range(width - 20, width + 1)
    assert (told["overflow"], told["opened"]) == (0, 0)
    assert told["images"]
    assert told["small"] >= 10


def test_finding_and_picture_are_on_the_first_screen(looked):
    for width in (1280, 1920):
        told = looked[0][str(width)]
        assert told["sentence"] < told["hero"] <= 720


@pytest.mark.parametrize("width", WIDTHS)
def test_the_table_begins_with_five_columns_whole_and_a_switch_shows_all_without_a_jump(looked, width):
    told = looked[0][str(width)]
    few, every = told["columns"]
    assert few == (4 if width == 360 else 5)  # the year is beside the name there
    assert every > 10
    assert told["cut"] == 0
    assert told["switch"]
    assert told["jump"] <= 1


@pytest.mark.parametrize("width", WIDTHS)
def test_the_appendix_is_folded_until_a_link_or_paper_opens_it(looked, width):
    parts, open_at_first, after_link, is_that_one, closed_on_paper, afterwards = looked[0][str(width)]["folded"]
    assert parts > 5
    assert (open_at_first, after_link, is_that_one) == (0, 1, True)
    assert (closed_on_paper, afterwards) == (0, 1)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_table_is_sorted_by_its_buttons_which_the_keyboard_reaches(looked, width):
    told = looked[0][str(width)]
    best, oldest, up, youngest, down = told["order"]
    assert (best, oldest, up, down) == ("ngram order=5", "uniform", "ascending", "descending")
    assert youngest != oldest
    assert told["focused"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_passage_is_stepped_through_by_arrow_keys(looked, width):
    told = looked[0][str(width)]
    assert re.match("ngram order=5\u201cSean\u201d: .* bits.*50.0 % \u201c cam\u201d", told["first"])
    assert told["moved"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_passage_is_read_by_words_and_by_another_model(looked, width):
    told = looked[0][str(width)]
    assert told["shown"] == [1, 1]
    assert re.match("ngram order=5\u201cSean cam\u201d: .* bits: its 2 pieces", told["word"])
    assert re.match("uniform\u201cc\u201d: .* bits", told["other"])  # where the reading was


def test_the_browser_has_nothing_to_complain_of(looked):
    assert "CONSOLE" not in looked[1]


def test_it_prints_on_pages_and_asks_nobody_for_anything(page, tmp_path):
    """One start of the browser for both: the file itself, from the disk."""
    printed, log = tmp_path / "report.pdf", tmp_path / "net.json"
    ran = browse(tmp_path, f"--print-to-pdf={printed}", "--no-pdf-header-footer", f"--log-net-log={log}", page.as_uri())
    assert "CONSOLE" not in ran.stderr
    pdf = printed.read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 1
    asked = set(re.findall(r'"url":"([^"]+)"', log.read_text(encoding="utf-8", errors="replace")))
    outside = {url for url in asked if re.match("(https?|wss?|ftp):", url) and not OWN.match(url)}
    assert not outside
