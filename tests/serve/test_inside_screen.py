"""The screen that shows what is inside, and says where there is nothing."""

import pytest

pytestmark = pytest.mark.browser

TEXT = "The old cat sat on the"


def choose(opened, model, view):
    """A view of a model whose name contains `model`."""
    opened.wait_for_selector(".inside [role=group] button")
    option = opened.locator(".inside option", has_text=model).first.get_attribute("value")
    opened.select_option(".inside select", option)
    opened.click(f".inside [role=group] button:text-is('{view}')")
    return option


def number(opened, name, value):
    """The head or cell of that number."""
    opened.get_by_label(name, exact=True).fill(str(value))
    opened.keyboard.press("Tab")


def test_a_network_is_shown_and_the_page_says_that_nothing_passed(page, client):
    opened = page("inside")
    opened.fill("#text", TEXT)
    shown = opened.locator(".inside .shown")

    model = choose(opened, "LSTM", "Cells")
    opened.wait_for_selector('.inside .verdict:has-text("This model has none: no cell passed a test.")')
    opened.wait_for_selector(".inside .coloured")
    assert shown.locator("th[scope=row]").all_text_contents() == ["input gate", "forget gate", "output gate"]
    facts = client.ask("/api/inside", text=TEXT, model=model, what="cells", number=5)
    values = [f"{value:.2f}".replace("0.", ".") for value in facts["values"]]
    number(opened, "cell", 5)
    opened.wait_for_selector(f'.coloured:has-text("{values[1]}")')
    assert shown.locator("small").all_text_contents() == values
    number(opened, "cell", 33)
    opened.wait_for_selector('.inside .shown:has-text("no cell 33")')

    choose(opened, "GPT", "Heads")
    opened.wait_for_selector('.inside .verdict:has-text("no head passed a test")')
    opened.wait_for_selector(".inside .arcs")
    assert shown.locator(".arcs .chosen").text_content() == "the"
    assert shown.locator(".matrix .row").count() == min(len(facts["pieces"]), 16)  # its window
    opened.click("text=← token")
    assert "Behind “on” it attends to" in shown.inner_text()
    choose(opened, "GPT", "Layers")
    opened.wait_for_selector('.inside th:has-text("embeddings")')
    choose(opened, "GPT", "Positions")
    opened.wait_for_selector(".inside .way")
    assert shown.locator(".point").count() == 16


def test_what_passed_its_test_comes_first_and_words_have_neighbours_and_an_analogy_box(page, client):
    found = {"what": "induction", "layer": 2, "number": 2, "value": 0.9, "passed": True, "about": "it looks back"}
    opened = page("stage")
    opened.route("**/api/measured", lambda route: route.fulfill(json={"measured": [found]}))
    opened.keyboard.press("Alt+7")
    choose(opened, "GPT", "Heads")
    opened.wait_for_selector('.verdict:text-is("Layer 2, head 2: it looks back.")')
    number(opened, "head", 1)
    opened.wait_for_selector('.verdict:text-is("Nothing was found in layer 2, head 1.")')

    model = choose(opened, "SVD", "Words")
    opened.fill(".inside [aria-label=word]", "red")
    opened.keyboard.press("Enter")
    near = client.ask("/api/words", model=model, words=["red"])["neighbours"][0]["neighbours"]
    expected = [f"{word} {cosine:.2f}" for word, cosine in near]
    opened.wait_for_selector(f'.inside .bars li:text-is("{expected[0]}")')
    assert opened.locator(".inside .bars li").all_text_contents() == expected
    opened.fill(".inside [aria-label=a]", "<b>nobody</b>")
    opened.keyboard.press("Enter")
    opened.wait_for_selector(".inside .bars li:has-text(\"'<b>nobody</b>'\")")
    assert opened.locator(".inside .bars b").count() == 0
