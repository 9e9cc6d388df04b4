import shutil

import pytest

from lmzoo.data import cards
from lmzoo.data.grammar import Grammar
from tests.serve.served import Client, served

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MODELS = {
    "unigram": ("ngram", {"order": 1}, "word:300"),
    "trigram": ("ngram", {"order": 3}, "word:300"),
    "characters": ("ngram", {"order": 4}, "char"),
    "svd": ("svd", {"dimensions": 4, "min_count": 1}, "word:300"),
    "lstm": ("lstm", {"preset": "tiny"}, "word:300"),
    "gpt": ("gpt", {"preset": "tiny"}, "word:300"),
}


@pytest.fixture(scope="session")
def story():
    """20 kB of the built-in grammar."""
    return "".join(Grammar.load(cards.folder() / "storyworld.grammar.toml").generate(20_000, "served"))


@pytest.fixture(scope="session")
def runs(story, tmp_path_factory):
    """The folders of small models of it, and of one that is damaged."""
    from lmzoo.data import corpus
    from lmzoo.interface import Run
    from lmzoo.runs import store, train

    folder = tmp_path_factory.mktemp("served")
    (folder / "story.txt").write_text(story, encoding="utf-8")
    source, run = corpus.load(folder / "story.txt"), Run(seed=1, steps=3)
    for name, (model, settings, tokenizer) in MODELS.items():
        coded = train.encode(source, tokenizer, run)
        given = {key: str(value) for key, value in settings.items()}
        fitted = train.fit(model, given, coded, run)
        store.save(fitted.text_model, folder / name, fitted.provenance)
    shutil.copytree(folder / "unigram", folder / "damaged")
    (folder / "damaged" / "model.safetensors").write_bytes(b"nothing")
    return [folder / name for name in (*MODELS, "damaged")]


@pytest.fixture(scope="session")
def contestants(runs):
    from lmzoo.serve import contestants

    return contestants.load_all(runs)


@pytest.fixture(scope="session")
def address(contestants):
    with served(contestants) as found:
        yield found


@pytest.fixture(scope="session")
def client(address):
    return Client(address)


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium, started once."""
    if BROWSER is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on the PATH")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as run:
        browser = run.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    """`page(screen, width=1280, height=720)`: the live page on a screen, ready.

    Afterwards: nothing was asked of anybody else, and the console has no error.
    """
    wrong, contexts = [], []

    def opened(screen="stage", width=1280, height=720, **how):
        context = chromium.new_context(viewport={"width": width, "height": height}, **how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)  # for a machine with other work
        own = f"http://{address[0]}:{address[1]}/"
        page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: request.url.startswith(own) or wrong.append(f"asked {request.url}"))
        page.goto(f"{own}#{screen}")
        page.wait_for_selector("body[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
