"""Shannon's game by keys alone, to its end, and what is saved of it."""

import json

import pytest

from lmzoo.serve.handlers import game

pytestmark = pytest.mark.browser


def hidden():
    """The text of the newest game."""
    return next(reversed(game._games.values())).text


def test_a_game_is_played_with_keys_and_saved(page, tmp_path, monkeypatch):
    monkeypatch.setattr(game, "_part", lambda *_: "On Saturday, the old cat sat.")
    page = page("game")
    page.wait_for_selector(".hidden-text .awaited")
    text = hidden()
    opening = page.locator(".hidden-text .found").inner_text().replace("␣", " ")
    assert text.startswith(opening)
    assert text[len(opening) + 1 :] not in page.content()  # nor anywhere else in the page
    page.keyboard.press("#")
    page.wait_for_function("() => document.querySelector('.game').textContent.includes('1 wrong so far')")
    page.keyboard.type(text[len(opening)])
    page.wait_for_selector(".intervals li")
    assert page.locator(".intervals li").first.inner_text().split("\n")[0] == "you"
    for n in range(len(opening) + 1, len(text)):  # faster than anybody types
        page.wait_for_function(
            "n => document.querySelector('.hidden-text small').textContent.startsWith(` ${n} `)", arg=n
        )
        page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.game').textContent.includes('All found')")
    with page.expect_download() as download:
        page.get_by_text("Save as JSON").click()
    saved = json.loads(download.value.path().read_text("utf-8"))
    (session,) = saved["sessions"]
    assert session["text"] == text
    assert session["ranks"][0] == 2
    assert len(session["ranks"]) == len(text) - len(opening)


def test_bets_are_made_with_keys(page):
    page = page("game")
    page.get_by_role("button", name="Bet", exact=True).click()
    page.wait_for_selector(".bets:not([hidden])")
    page.wait_for_function("() => document.activeElement.classList.contains('of')")
    page.keyboard.type("e")
    page.keyboard.press("Tab")
    page.keyboard.type("50")
    page.keyboard.press("Enter")
    page.wait_for_selector(".intervals li")
    true = next(reversed(game._games.values()))
    assert true.found == true.opening + 1
    expected = 1.0 if true.text[true.opening] == "e" else None
    assert expected is None or true.bits == [expected]
    assert f"{true.bits[0]:.2f} bits" in page.locator(".intervals li").first.inner_text()


def test_digits_and_slashes_are_guesses_until_escape(page, monkeypatch):
    monkeypatch.setattr(game, "_part", lambda *_: "On Saturday, the old cat sat.")
    page = page("game")
    page.wait_for_selector(".hidden-text .awaited")
    for wrong, key in enumerate("17/", 1):
        page.keyboard.press(key)
        said = f"Not {key}: {wrong} wrong so far"
        page.wait_for_function("said => document.querySelector('.game').textContent.includes(said)", arg=said)
    assert page.locator("nav [aria-current]").inner_text().strip().endswith("Game")
    page.keyboard.press("Alt+2")
    assert page.locator("nav [aria-current]").inner_text().strip().endswith("Next")
    page.keyboard.press("Alt+5")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.id") == "text"
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    assert page.locator("nav [aria-current]").inner_text().strip().endswith("Ribbon")
