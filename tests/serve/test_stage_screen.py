"""The frame of the page, and the screen that it opens with."""

from dataclasses import replace

import pytest

from lmzoo.serve.contestants import Contestants
from lmzoo.serve.handlers import game
from tests.serve.served import fill, served

pytestmark = pytest.mark.browser


def test_a_dot_for_each_model_is_as_high_as_its_bits(page, client):
    page = page("stage")
    fill(page, "The old cat sat on the mat")
    answers = {one["id"]: one for one in client.ask("/api/read", text="The old cat sat on the mat")["models"]}
    expected = [f"{one['bits'] / 26:.2f}" if one.get("bits") else "failed" for one in answers.values()]
    assert page.locator(".stage .bits").all_text_contents() == expected
    assert "damaged" in page.locator(".stage .failed").inner_text()


def test_what_is_typed_is_shown_as_text(page):
    page = page("stage")
    for text in ("<img src=x onerror=document.title=1>", "</script><script>alert(1)</script>", "\u202e"):
        fill(page, text)
        assert page.title().startswith("lmzoo")
        assert page.locator("main img, main script").count() == 0


def test_names_and_texts_are_shown_as_text_on_every_screen(chromium, contestants, monkeypatch):
    markup = "<img src=x onerror=document.title=1>"
    monkeypatch.setattr(game, "_source_of", lambda _: (markup, lambda _: markup * 20, frozenset(markup)))
    runs = (replace(run, name=markup, error=run.error and markup) for run in contestants)
    with served(Contestants(tuple(runs))) as (host, port), chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"http://{host}:{port}/")
        page.wait_for_selector("body[data-ready]")
        assert markup in page.locator(".stage .name").first.text_content()
        assert markup in page.locator(".stage .failed small").text_content()
        for key in "2345678":
            page.keyboard.press(f"Alt+{key}")
            page.evaluate("() => new Promise(requestAnimationFrame)")
        page.wait_for_function("() => document.querySelector('.hidden-text').textContent.includes('<img')")
        assert markup in page.locator(".next h2").first.text_content()
        assert markup in page.locator(".why select").text_content()
        assert page.title().startswith("lmzoo")
        assert page.locator("main img").count() == 0


def test_no_screen_is_wider_than_the_window_or_hard_to_read(page):
    axe = pytest.importorskip("axe_core_python.sync_playwright")
    page = page()
    page.fill("#text", "The old cat sat")
    page.evaluate(axe.Axe().axe_script)  # by the test: the page loads nothing
    keys = page.evaluate("() => [...document.querySelectorAll('nav kbd')].map(one => one.textContent)")
    assert keys == list("12345678")
    light = {"runOnly": ["color-contrast"]}  # all else is the same by day and by night
    for width, scheme, rules in ((1920, "light", None), (1280, "light", light), (360, "dark", {})):
        page.set_viewport_size({"width": width, "height": 720})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for key in keys:
            page.keyboard.press(f"Alt+{key}")
            size = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            assert size[0] <= width, (key, width)
            assert size[1] <= 720 or width == 360, (key, width)
            if rules is not None:
                found = page.evaluate("rules => axe.run(rules)", rules)["violations"]
                assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], (key, width)


def test_keys_alone_change_the_screen_and_return_to_the_text(page):
    page = page("stage")
    assert page.evaluate("() => document.activeElement.id") == "text"
    page.keyboard.type("cat 1")  # a digit in the box is text
    assert page.input_value("#text") == "cat 1"
    page.keyboard.press("Escape")
    assert page.evaluate("() => document.activeElement.tagName") == "MAIN"
    page.keyboard.press("1")
    assert page.locator("nav [aria-current]").inner_text().strip().endswith("Stage")
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.id") == "text"
