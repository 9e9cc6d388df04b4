"""`lmzoo serve`: what it says, where it listens, and how it ends."""

import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
import webbrowser
from contextlib import contextmanager

import pytest
import torch
from threadpoolctl import threadpool_info

from lmzoo.cli import serve
from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.runs import store
from lmzoo.serve import server


@pytest.fixture
def asked(calling):
    return calling(serve=serve.serve_page)


@pytest.fixture
def run(tmp_path):
    text = "the cat sat on the mat\n" * 20
    tokenizer = tokenizers.train("char", text)
    ids = tokenizer.encode(text)
    return store.save(
        TextModel(Ngram(order=2).fit(Data(ids, ids[:50], tokenizer.vocabulary)), tokenizer), tmp_path / "run"
    )


def test_it_serves_at_the_next_free_port_until_ctrl_c(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "lmzoo", "serve", str(run), "--no-browser", "--port", str(port), "--quiet"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == f"port {port} is taken\n"
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        with socket.create_connection(("127.0.0.1", int(found[1]))) as unfinished:  # a request when Ctrl-C comes
            head = f"POST /api/read HTTP/1.1\r\nHost: 127.0.0.1:{found[1]}\r\nContent-Type: application/json\r\n"
            unfinished.sendall(f"{head}Content-Length: 90\r\n\r\n{{".encode())
            with urllib.request.urlopen(found[0], timeout=20) as page:
                assert b"lmzoo" in page.read()
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert len(error.splitlines()) == 1, error


@pytest.fixture
def shown(asked, run, monkeypatch):
    """`shown(ARGUMENTS)`: what the command says, the application that it would serve, and what the browser opens."""
    apps, opened, threads = [], [], []

    @contextmanager
    def serving(app, listening):
        apps.append(app)
        threads.extend(info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas")
        over = threading.Event()
        over.set()
        yield over

    monkeypatch.setattr(server, "serving", serving)
    monkeypatch.setattr(webbrowser, "open", opened.append)

    def show(*arguments):
        code, out, error = asked(run, "--port", "0", "--quiet", *arguments)
        assert (code, error) == (0, "")
        return out, *apps, *opened

    show.threads = threads
    return show


def test_the_browser_opens_what_is_said_and_only_loopback_names_are_answered(shown):
    out, app, opened = shown()
    port = out.partition("127.0.0.1:")[2].partition("/")[0]
    assert out == f"http://127.0.0.1:{port}/ (Ctrl-C ends it)\n"
    assert opened == f"http://127.0.0.1:{port}/"
    assert app.hosts == {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}


def test_the_network_is_let_in_where_asked_and_told_what_that_means(shown):
    out, app, _ = shown("--host", "0.0.0.0", "--allow-host", "hall.example", "--allow-host", "b.example:80")
    meaning, address = out.splitlines()
    port = address.partition("127.0.0.1:")[2].partition("/")[0]
    assert meaning.startswith("everybody who reaches 0.0.0.0 can type and read")
    assert {f"hall.example:{port}", "b.example:80"} < app.hosts
    assert not [name for name in app.hosts if name.startswith("0.0.0.0")]


def test_a_run_that_is_missing_is_said_and_the_others_are_shown(shown):
    out, _ = shown("nowhere", "--no-browser")
    assert out.splitlines()[0].startswith("nowhere: ")
    assert len(out.splitlines()) == 2


def test_networks_take_one_thread(shown):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        shown("--no-browser")
        assert torch.get_num_threads() == 1
        assert set(shown.threads) == {1}
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "nowhere"),
        (["--port", "99999", "x"], "--port must be 0 (any) to 65535"),
        (["--prepare", "x"], "leave the runs out"),
        (["--prepare", "--export", "new"], "leave --export out"),
        (["RUN", "--export", "RUN"], "is not a new or empty folder"),
        (["RUN", "--host", "999.1.1.1"], "cannot listen at 999.1.1.1"),
    ],
)
def test_what_cannot_be_is_one_line(asked, arguments, says, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = asked(*(run if one == "RUN" else one for one in arguments), "--quiet")
    assert code == 2
    assert says in error
    assert len(error.strip().splitlines()) == 1


def test_a_page_is_exported_without_a_server(asked, run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    code, out, _ = asked(run, "--export", tmp_path / "page", "--quiet")
    size = (tmp_path / "page" / "index.html").stat().st_size
    assert (code, out) == (
        0,
        f"{tmp_path / 'page' / 'index.html'}: {size:,} bytes; it needs no server, and nothing beside it\n",
    )


def test_the_models_of_the_page_are_trained_once(asked, tmp_path, monkeypatch):
    from lmzoo.comparison import presets
    from lmzoo.data import corpus
    from lmzoo.serve import bundle

    small = presets.Preset("", "5steps", ("uniform", "ngram:order=2"))
    monkeypatch.setattr(presets, "presets", lambda: {"laptop": small})
    monkeypatch.setattr(bundle, "CORPUS", "storyworld:50kB")
    monkeypatch.setattr(bundle, "TOKENS", 2000)
    monkeypatch.setenv("LMZOO_CACHE", str(tmp_path))
    assert bundle.prepared() == []
    code, out, _ = asked("--prepare", "--quiet")
    assert (code, out) == (0, "2 models are prepared: lmzoo serve\n")
    assert len(bundle.prepared()) == 2
    monkeypatch.setattr(corpus, "load", lambda *_, **__: pytest.fail("it is trained already"))
    assert asked("--prepare", "--quiet")[0] == 0
    monkeypatch.setattr(bundle, "TOKENS", 3000)  # of another version: not taken for this one
    assert bundle.prepared() == []
