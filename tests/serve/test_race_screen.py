"""Bars of bytes: the text as a file of each model's, decoded before its tick, beside zip and xz."""

import sys

import pytest

pytestmark = pytest.mark.browser
TEXT = "The old cat sat on the mat."


@pytest.fixture
def raced(page):
    page = page("race")
    page.fill("#text", TEXT)
    page.wait_for_function("() => /[Tt]he text has 27 bytes/.test(document.querySelector('.race').textContent)")
    return page


def test_each_bar_is_as_long_as_its_bytes_and_says_them(raced, client, contestants):
    pytest.importorskip("constriction")
    raced.wait_for_function(
        "count => document.querySelectorAll('.race li').length === count", arg=3 + len(list(contestants))
    )
    answers = {one["id"]: one for one in client.lines("/api/compress", text=TEXT)}
    names = {run.id: run.name for run in contestants}
    longest = max(one["payload"] + one["header"] for one in answers.values() if "payload" in one)
    for id_, one in answers.items():
        row = raced.locator(".race li", has=raced.get_by_text(names.get(id_, id_), exact=id_ in names)).first
        if "error" in one:
            assert one["error"] in row.inner_text()
            continue
        assert f"{one['payload']} bytes" in row.inner_text()
        assert f"+ {one['header']} ✓" in row.inner_text()
        shares = [
            float(bar.evaluate("one => one.style.getPropertyValue('--share')")) for bar in row.locator(".bytes").all()
        ]
        assert shares == pytest.approx([one["payload"] / longest, one["header"] / longest])
    grounds = {
        bar.evaluate("one => getComputedStyle(one).backgroundColor") for bar in raced.locator(".race .bytes").all()
    }
    assert "rgba(0, 0, 0, 0)" not in grounds
    sizes = [one["payload"] for one in answers.values() if "payload" in one]
    shown = [int(said.split()[0]) for said in raced.locator(".race .said").all_text_contents() if "✓" in said]
    assert shown == sorted(sizes)


def test_without_constriction_one_line_says_so(page, monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    page = page("race")
    page.fill("#text", "a" * 40)
    page.wait_for_function("() => document.querySelector('.race .caption').textContent.includes('constriction')")
    page.wait_for_function("() => /zip/.test(document.querySelector('.race').textContent)")
