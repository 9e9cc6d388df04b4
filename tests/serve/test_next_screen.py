"""What comes next: as the server says, taken by Tab, and large enough for the last row of a hall."""

import json

import pytest

from tests.serve.served import fill

pytestmark = pytest.mark.browser


@pytest.fixture
def typed(page):
    page = page("next")
    fill(page, "The ")
    return page


def expected(client, name):
    """What the unigram expects: the words that are shown."""
    models = json.loads(client.send("GET", "/api/models")[2])["models"]
    (one,) = [model["id"] for model in models if model["name"] == name]
    words = client.ask("/api/read", text="The ", models=[one])["models"][0]["words"]
    return [word for word in words if word[0] != "<end>"]


def test_a_card_has_the_likeliest_words_with_their_probabilities(typed, client):
    card = typed.locator(".next article").filter(has_text="unigram")
    words = expected(client, "unigram")
    assert card.locator(".guess").all_text_contents() == [word[0].removeprefix(" ") or "␣" for word in words]
    assert card.locator(".p").first.inner_text() == f"{100 * words[0][1]:.{1 if words[0][1] < 0.1 else 0}f} %"


def test_tab_accepts_the_word_of_the_marked_model(typed, client):
    while not typed.locator(".next .marked").inner_text().startswith("unigram"):
        typed.keyboard.press("ArrowDown")
    shown, _, added = expected(client, "unigram")[0]
    typed.keyboard.press("Tab")
    assert typed.input_value("#text") == "The " + added
    assert shown in typed.locator("#spoken").text_content()


def test_a_speaker_shows_four_models_in_letters_of_28_pixels(typed):
    typed.keyboard.press("Escape")
    typed.keyboard.press("l")
    assert typed.locator(".next article:visible").count() == 4
    sizes = typed.evaluate("""() => [...document.querySelectorAll(".next article:not([hidden]) *")]
        .filter(one => [...one.childNodes].some(node => node.nodeType === Node.TEXT_NODE))
        .map(one => [parseFloat(getComputedStyle(one).fontSize), one.textContent])""")
    assert [one for one in sizes if one[0] < 28] == []
    assert typed.evaluate("() => document.documentElement.scrollHeight") <= 720
