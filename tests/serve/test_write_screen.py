"""All models write after the text in the box; what they copied is underlined; a quiz asks which of them it was."""

import re

import pytest

from lmzoo.serve.handlers import write

pytestmark = pytest.mark.browser

ALL_DONE = """() => [...document.querySelectorAll('.write .note')]
    .every(one => one.textContent)"""


@pytest.fixture
def written(page):
    def opened(text="The old cat", **how):
        page_ = page("write", **how)
        page_.fill("#text", text)
        page_.wait_for_function(ALL_DONE)
        return page_

    return opened


def columns(page):
    return page.locator(".write .columns .text").all_text_contents()


def test_the_columns_are_what_each_model_writes_with_that_seed(written, contestants):
    page = written()
    page.wait_for_function("() => document.querySelector('.write .text').textContent")

    def alone(seed, **how):
        return [
            "".join(run.text_model.generate("The old cat", 50, seed=seed, **how)) if run.reader else ""
            for run in contestants
        ]

    wait = "wanted => [...document.querySelectorAll('.write .text')].every((one, n) => one.textContent === wanted[n])"
    page.wait_for_function(wait, arg=alone(1))
    page.get_by_label("Seed").fill("7")
    page.wait_for_function(wait, arg=alone(7))
    page.get_by_label("Temperature").fill("0")
    page.wait_for_function(wait, arg=alone(7, temperature=0))
    assert "damaged" in page.locator(".write .columns li", has_text="damaged").inner_text()


def test_what_was_copied_is_underlined(written, contestants, monkeypatch):
    run = next(iter(contestants))
    text = "".join(run.text_model.generate("The old cat", 50, seed=1))
    monkeypatch.setattr(write, "_INDEXED", {})
    monkeypatch.setattr(write, "training_text", lambda _: f"\0{text[5:45]}\0")
    page = written()
    column = page.locator(".write .columns li").first
    column.locator("mark").wait_for()
    assert column.locator("mark").all_text_contents() == [text[5:45]]
    assert f"{round(4000 / len(text))} % copied" in column.inner_text()
    assert columns(page)[0] == text


def test_the_quiz_is_played_by_keys(written):
    page = written()
    texts = columns(page)
    names = page.locator(".write .columns b").all_text_contents()
    page.keyboard.press("Escape")
    page.keyboard.press("q")
    for asked in range(1, 4):
        quoted = page.locator(".quiz blockquote").text_content()
        options = [one.strip() for one in page.locator(".quiz li").all_text_contents()]
        right = {
            f"{letter} {name}" for letter in "ABCD" for name, text in zip(names, texts, strict=True) if text == quoted
        }
        letter = next(iter(right & set(options)))[0]
        page.keyboard.press(letter.lower())
        assert page.locator(".quiz [role=status]").inner_text().startswith("Right: ")
        page.keyboard.press("d" if letter != "D" else "a")  # a second answer does not count
        assert f"{asked} of {asked} right so far" in page.locator(".quiz [role=status]").inner_text()
        page.keyboard.press("n")
    options = page.locator(".quiz li").all_text_contents()
    quoted = page.locator(".quiz blockquote").text_content()
    wrong = next(n for n, one in enumerate(options) if texts[names.index(one.strip()[2:])] != quoted)
    page.keyboard.press("abcd"[wrong])
    assert re.match(r"No: .* 3 of 4 right so far", page.locator(".quiz [role=status]").inner_text())
    page.keyboard.press("q")
    assert page.locator(".write .columns").is_visible()


def test_what_a_model_writes_is_text(written, monkeypatch):
    monkeypatch.setattr(
        write,
        "_column",
        lambda *_: iter([{"text": "<img src=x onerror=alert(1)>"}, {"done": True, "copied": [], "note": ""}]),
    )
    page = written("markup")
    page.wait_for_function("() => document.querySelector('.write .text').textContent.startsWith('<img')")
    assert page.locator("main img").count() == 0
