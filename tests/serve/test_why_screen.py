"""The screen that says where a probability comes from."""

import pytest

pytestmark = pytest.mark.browser

TEXT = "The old cat sat on the"


def choose(opened, model):
    """A model whose name contains `model`."""
    option = opened.locator(".why option", has_text=model).first
    opened.select_option(".why select", option.get_attribute("value"))
    return opened.input_value(".why select")


def test_each_model_explains_the_last_token_in_its_way_and_arrows_go_to_the_one_before(page, client):
    opened = page("why", reduced_motion="reduce")
    opened.fill("#text", TEXT)
    facts = client.ask("/api/explain", text=TEXT, model=choose(opened, "3-gram"))
    opened.wait_for_selector(f'.why p:has-text("{facts["sum"]}")')
    cards = opened.locator(".why .card:not(.unseen)")
    assert cards.count() == len(facts["terms"])
    for n, term in enumerate(facts["terms"]):
        counts = cards.nth(n).locator("td").all_text_contents()
        assert counts[: len(term["followers"])] == [f"{count:,} ×" for _, count in term["followers"]]
    assert opened.evaluate("getComputedStyle(document.querySelector('.why .card')).animationName") == "none"
    opened.emulate_media(reduced_motion="no-preference")
    delays = opened.evaluate(
        "[...document.querySelectorAll('.why .card')].map(one => getComputedStyle(one).animationDelay)"
    )
    assert [float(delay[:-1]) for delay in delays] == pytest.approx([0.26 * n for n in range(len(delays))])
    opened.keyboard.press("Escape")
    opened.keyboard.press("ArrowLeft")
    opened.wait_for_selector('.why .lead:has-text("“on” after")')
    assert opened.evaluate("document.activeElement.textContent") == "on"
    for model, lead, inside in (
        ("LSTM", "What 32 cells did before “the”", "forget gate"),
        ("GPT", "What each head looked at where “the” was predicted", "layer 2, head 2"),
        ("SVD", "What stands before “the”", "on"),
    ):
        choose(opened, model)
        opened.wait_for_selector(f'.why .lead:has-text("{lead}")')
        assert inside in opened.locator(".why .shown").inner_text()
