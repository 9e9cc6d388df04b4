"""The page as one file: what it was asked is frozen, a character 5-gram is live, and nothing else is loaded."""

import json
import random
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Progress
from lmzoo.progress import result_of
from lmzoo.serve import export
from lmzoo.serve.contestants import Contestants
from lmzoo.serve.reading import Reader

PROMPTS = ("The old cat", "A </script><script>document.title = 1</script> “ü”")


@pytest.fixture(scope="module")
def some(contestants):
    """Four of the runs are enough."""
    names = ("unigram", "LSTM", "damaged")
    return Contestants(tuple(run for run in contestants if run.name.startswith(names)))


@pytest.fixture(scope="module")
def exported(some, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "page"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export, "PROMPTS", PROMPTS)
        size = export.export(folder, some)
    assert [path.name for path in folder.iterdir()] == ["index.html"]
    assert size == (folder / "index.html").stat().st_size
    return folder


@pytest.fixture(params=["file", "http"])
def shown(request, chromium, exported):
    """The exported page, opened from a file and from a host that knows nothing but files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=exported))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    place = {"file": (exported / "index.html").as_uri(), "http": f"http://127.0.0.1:{server.server_port}/"}
    context, wrong = chromium.new_context(viewport={"width": 1280, "height": 720}), []
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith(("data:", place[request.param])) or wrong.append(asked.url))
    page.goto(place[request.param])
    page.wait_for_selector("#prompts")
    yield page
    context.close()
    server.shutdown()
    server.server_close()
    assert wrong == []


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def bits_shown(page):
    return page.locator(".stage .bits").all_text_contents()


@pytest.mark.browser
def test_it_shows_what_the_models_say_and_reads_what_else_is_typed(shown, some):
    live = export.live_run(some)
    everybody = sorted([run for run in some if run.reader], key=lambda run: run.text_model.model.origin.year)
    assert [run.name for run in everybody] == ["unigram", "LSTM, 32 cells"]

    def expected(run, text):
        return f"{result_of(run.reader.read(text))['bits'] / len(text):.2f}"

    shown.select_option("#prompts", PROMPTS[1])
    shown.wait_for_function("() => document.querySelector('#text').value.startsWith('A')")
    for prompt in PROMPTS:
        shown.select_option("#prompts", prompt)
        wanted = [expected(run, prompt) for run in (everybody[0], everybody[1], live)]
        shown.wait_for_function(
            "wanted => document.querySelector('.stage .bits').textContent === wanted", arg=wanted[0]
        )
        assert bits_shown(shown) == wanted
    text = "What nobody has fr☕zen"
    shown.fill("#text", text)
    shown.wait_for_function("() => document.querySelector('.stage .bits').textContent === 'failed'")
    assert bits_shown(shown) == ["failed", "failed", expected(live, text)]
    assert shown.title().startswith("lmzoo")


@pytest.mark.browser
@pytest.mark.parametrize("shown", ["file"], indirect=True)
def test_frozen_screens_answer_and_others_say_what_they_need(shown):
    shown.keyboard.press("Alt+6")
    shown.wait_for_function("() => /copied/.test(document.querySelector('.write .note').textContent)")
    assert shown.locator(".write .text").first.inner_text().strip()
    shown.keyboard.press("Alt+8")
    shown.wait_for_selector(".race li:nth-child(6)")
    assert shown.locator("#status").text_content() == ""
    assert shown.locator(".race .said", has_text="✓").count() == 5
    shown.keyboard.press("Alt+6")
    shown.keyboard.press("Alt+5")
    assert shown.locator("main > section:visible").inner_text().endswith("lmzoo serve has it.")
    shown.keyboard.press("Alt+7")
    views = shown.get_by_role("group", name="What is shown").get_by_role("button")
    for view in range(views.count()):
        views.nth(view).click()
        shown.wait_for_function("() => document.querySelector('.inside .shown').textContent")
    assert shown.locator("#status").text_content() == ""
    shown.keyboard.press("Alt+6")
    shown.fill("#text", "Anything else")
    shown.wait_for_function("() => document.querySelector('#status').textContent.includes('lmzoo serve answers it')")


@pytest.mark.browser
def test_the_live_model_gives_python_s_probabilities(page, story):
    """In contexts that were seen, that were not, of letters that no text has, and of parts of them."""
    page = page()
    draw = random.Random(4)
    text = story[:6000] + "Grüße, ☕ 😀 naïve 漢字. " * 9
    text_model = export.character_model(text)
    letters = [*"etaoin E.,\n\0Ωü☕😀漢xZ\ud800", "👩‍👩‍👧", story[40:60], "Grüße, "]
    contexts = ["", *("".join(draw.choices(letters, k=draw.randrange(1, 9))) for _ in range(60))]
    contexts += [text[place : place + 9] for place in (draw.randrange(6000) for _ in range(20))]
    asked = {"data": export.to_json(text_model), "contexts": contexts}
    found = page.evaluate(
        """async ({ data, contexts }) => {
          const { characterModel } = await import("/export/ngram.js"), model = characterModel(data);
          return contexts.map(text => [[...model.after(text)], model.read(text)]);
        }""",
        json.loads(json.dumps(asked)),
    )
    model, tokenizer = text_model
    reader = Reader(text_model)
    for context, (probabilities, read) in zip(contexts, found, strict=True):
        state = model.advance(model.start(), tokenizer.encode(context))
        np.testing.assert_allclose(probabilities, np.exp(model.next_log_probs(state)), rtol=1e-6, atol=1e-9)
        if "\ud800" in context or len(context) > 12:
            continue
        wanted = result_of(reader.read(context, likeliest=True))
        assert read["bits"] == pytest.approx(wanted["bits"], abs=1e-3)
        assert [piece[0] for piece in read["pieces"]] == [piece[0] for piece in wanted["pieces"]]
        assert [piece[1] for piece in read["pieces"]] == pytest.approx([p[1] for p in wanted["pieces"]], abs=1e-3)
        assert [piece[2] for piece in read["pieces"]] == [piece[2] for piece in wanted["pieces"]]
        assert read["words"][0][1] == pytest.approx(wanted["words"][0][1], rel=1e-5)


def test_nothing_of_this_computer_is_in_it(exported, some):
    content = (exported / "index.html").read_text()
    for run in some:
        assert str(run.folder.parent) not in content
        assert run.folder.name != "damaged" or run.error not in content


def test_a_live_model_that_is_too_large_learns_from_less(story, monkeypatch):
    whole = len(json.dumps(export.to_json(export.character_model(story))))
    monkeypatch.setattr(export, "MOST_LIVE", whole // 2)
    smaller = export.character_model(story)
    assert isinstance(smaller, TextModel)
    assert len(json.dumps(export.to_json(smaller))) <= whole // 2


def test_a_folder_with_anything_in_it_is_left_alone(some, tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    with pytest.raises(UsageError, match="is not a new or empty folder"):
        export.export(tmp_path, some)
    with pytest.raises(UsageError, match="is not a new or empty folder"):
        export.export(tmp_path / "theirs", some)
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


def test_what_has_come_there_meanwhile_is_left_alone(some, tmp_path, monkeypatch):
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.setattr(export, "page", lambda *_: str((folder / "theirs").write_text("theirs")))
    with pytest.raises(UsageError, match="is not a new or empty folder"):
        export.export(folder, some)
    assert [path.name for path in tmp_path.rglob("*")] == ["page", "theirs"]


def test_without_a_training_text_there_is_no_live_model(some, monkeypatch):
    monkeypatch.setattr(export, "training_of", lambda _: None)
    monkeypatch.setattr(export, "PROMPTS", PROMPTS[:1])
    assert '"live":null' in export.page(some, Progress())
