"""The text as every model read it: shades of bits, or ranks; and what was expected, by mouse and by keys."""

import pytest

from tests.serve.served import fill

pytestmark = pytest.mark.browser
TEXT = "The old cat"


@pytest.fixture
def typed(page):
    page = page("ribbon")
    fill(page, TEXT)
    return page


def test_pieces_are_those_of_the_text_with_their_bits(typed, client):
    answer = client.ask("/api/read", text=TEXT, likeliest=True, models=["m0"])["models"][0]
    pieces = typed.locator(".ribbon .row").first.locator(".line .piece")
    assert "".join(pieces.all_text_contents()).replace("␣", " ") == TEXT
    assert pieces.first.get_attribute("aria-label").endswith(
        f"{answer['pieces'][0][1]:.1f} bits, rank {answer['pieces'][0][2]}"
    )


def test_arrows_say_what_was_expected_there(typed, client):
    answer = client.ask("/api/read", text=TEXT, likeliest=True, models=["m0"])["models"][0]
    typed.keyboard.press("Escape")
    typed.keyboard.press("ArrowRight")
    said = typed.locator(".ribbon .detail").inner_text()
    text, bits, rank, likeliest = answer["pieces"][0]
    assert f"gave {text} {bits:.2f} bits, rank {rank}" in said
    assert all(word.replace(" ", "␣") in said or not word.strip() for word, _ in likeliest)
    assert typed.locator("#spoken").text_content() == typed.locator(".ribbon .detail").text_content()
    typed.locator(".ribbon .row").nth(1).locator(".piece").nth(1).hover()
    assert typed.locator(".ribbon .detail").inner_text() != said


def test_ranks_are_those_of_gltr(typed, client):
    answer = client.ask("/api/read", text=TEXT, models=["m0"])["models"][0]
    typed.keyboard.press("Escape")
    typed.keyboard.press("r")
    classes = [
        piece.get_attribute("class").split()[1]
        for piece in typed.locator(".ribbon .row").first.locator(".line .piece").all()
    ]
    expected = [f"rank{[rank <= most for most in (10, 100, 1000, 1e9)].index(True)}" for _, _, rank in answer["pieces"]]
    assert classes == expected
