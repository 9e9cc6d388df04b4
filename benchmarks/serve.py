"""What `lmzoo serve` takes to answer who types: in headless Chromium, and by requests.

    python benchmarks/serve.py RUN… [--keys 60] [--ribbons 10] [--clients 16] [--seconds 60] [--save NAME]

The page is served by a process of its own. A key's time goes from the browser's event to the frame behind the first
change of the screen, on screens Stage, Next and Ribbon in turn; each key is a text that has not been read before. The
others are requests: a ribbon is a text of 200 characters, read cold with what was likeliest at each token; the first
generated character of the fastest and of the slowest model while all write; clients that type a text each, a key
every 200 ms or when the last is answered. Seconds are of the clock: say the load, which is printed and saved; the
server's CPU time stands beside, which depends on it less.
"""

import argparse
import http.client
import itertools
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import record

from lmzoo.runs import provenance

SCREENS = ("stage", "next", "ribbon")
READ = {"likeliest": True, "characters": False}  # as the page asks
TICKS = os.sysconf("SC_CLK_TCK")
# Of a key: from the event that the browser made of it to the frame behind the first change that the screen shows.
WATCH = """() => {
  let began, painted;
  document.addEventListener("keydown", event => {
    began = event.timeStamp;
    window.painted = new Promise(resolve => { painted = resolve; });
  }, true);
  new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => painted?.(performance.now() - began))))
    .observe(document.querySelector("main"),
      { subtree: true, childList: true, attributes: true, characterData: true });
}"""


class Server:
    """`lmzoo serve` of these runs, as a process."""

    def __init__(self, runs: list[str]) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-m", "lmzoo", "serve", *runs, "--no-browser", "--port", "0", "--quiet"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        said = self.process.stdout.readline()
        while said and "http://" not in said:  # a run that cannot be read
            said = self.process.stdout.readline()
        found = re.search(r"http://([\w.]+):(\d+)/", said)
        if not found:
            raise SystemExit("lmzoo serve did not start")
        self.host, self.port = found[1], int(found[2])
        self.models = [model for model in self.get("/api/models")["models"] if "error" not in model]
        self.post("/api/read", {"text": "The old ca"})
        self.start = {"seconds": time.perf_counter() - began, "server_cpu_seconds": self.cpu()}

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}/"

    def get(self, path: str) -> Any:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())

    def asked(self, path: str, body: Any, page: str = "") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", "X-Page": page})
        return connection.getresponse()

    def post(self, path: str, body: Any, page: str = "") -> tuple[int, Any]:
        answer = self.asked(path, body, page)
        return answer.status, json.loads(answer.read())

    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def megabytes(self, of: str = "VmRSS") -> float:
        """Resident memory, or with VmHWM its peak."""
        found = re.search(rf"{of}:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024 / 1e6

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


@contextmanager
def serving(runs: list[str]) -> Iterator[Server]:
    server = Server(runs)
    try:
        yield server
    finally:
        server.end()


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile, in ms."""
    found = sorted(1000 * one for one in seconds)
    return {"median_ms": statistics.median(found), "p95_ms": found[min(len(found) - 1, int(0.95 * len(found)))]}


def texts(source: str, length: int) -> Iterator[str]:
    """Stretches of a text, of whole words, no two alike."""
    rng = random.Random(1)
    while True:
        at = source.index(" ", rng.randrange(len(source) - 2 * length)) + 1
        yield source[at : at + length].replace("\n", " ")


def keys(server: Server, source: str, count: int) -> dict[str, Any]:
    """Key to paint, by screen, and the server's CPU time for a key."""
    from playwright.sync_api import sync_playwright

    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    found: dict[str, list[float]] = {screen: [] for screen in SCREENS}
    cpu = 0.0
    with sync_playwright() as run:
        browser = run.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        for screen, text in zip(SCREENS, texts(source, count), strict=False):
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.goto(f"{server.address}#{screen}")
            page.wait_for_selector("body[data-ready]")
            page.evaluate(WATCH)
            page.focus("#text")
            before = server.cpu()
            for letter in text:
                page.keyboard.type(letter)
                found[screen].append(page.evaluate("() => window.painted") / 1000)
            cpu += server.cpu() - before
            page.close()
        browser.close()
    every = list(itertools.chain(*found.values()))
    screens = {screen: spread(took) for screen, took in found.items()}
    return {**spread(every), "keys": len(every), "screens": screens, "server_cpu_ms_a_key": 1000 * cpu / len(every)}


def ribbons(server: Server, source: str, count: int) -> dict[str, Any]:
    """A text of 200 characters that none has read."""
    took, before = [], server.cpu()
    for text in itertools.islice(texts(source, 200), count):
        began = time.perf_counter()
        status, _ = server.post("/api/read", READ | {"text": text})
        took.append(time.perf_counter() - began)
        assert status == 200
    return {**spread(took), "texts": count, "server_cpu_ms": 1000 * (server.cpu() - before) / count}


def writing(server: Server, source: str, count: int) -> dict[str, Any]:
    """The first character of the first model and of the last one, 50 tokens of all, and what of them is copied."""
    took: dict[str, list[float]] = {"first": [], "of_the_last_model": [], "50_tokens_of_all": [], "copies_found": []}
    before = server.cpu()
    for seed, text in enumerate(itertools.islice(texts(source, 40), count)):
        began, seen, written = time.perf_counter(), set(), 0.0
        answer = server.asked("/api/generate", {"prompt": text, "length": 50, "seed": seed})
        assert answer.status == 200, answer.read()
        for line in map(json.loads, answer):
            assert "error" not in line, line
            now = time.perf_counter() - began
            if "text" in line:
                written = now
            if line.get("text") and line["id"] not in seen:
                seen.add(line["id"])
                if len(seen) == 1:
                    took["first"].append(now)
                if len(seen) == len(server.models):
                    took["of_the_last_model"].append(now)
        took["50_tokens_of_all"].append(written)
        took["copies_found"].append(time.perf_counter() - began)
    found: dict[str, Any] = {what: spread(seconds) for what, seconds in took.items() if seconds}
    return {**found, "server_cpu_ms": 1000 * (server.cpu() - before) / count}


def crowd(server: Server, source: str, clients: int, seconds: float) -> dict[str, Any]:
    """Clients that type at once: what they wait for, what goes wrong, and whether memory grows."""
    took: list[tuple[float, float]] = []  # (when, how long)
    wrong: list[Any] = []
    began = time.perf_counter()

    def types(number: int) -> None:
        own = texts(source[number * 1000 :], 80)
        time.sleep(0.2 * number / clients)
        for text in own:
            for n in range(1, len(text) + 1):
                pressed = time.perf_counter()
                if pressed - began > seconds:
                    return
                try:
                    status, answer = server.post(
                        "/api/read", {"text": text[:n], "likeliest": True, "characters": False}, str(number)
                    )
                    if status != 200 or any("error" in one for one in answer["models"]):
                        wrong.append(answer)
                except Exception as error:
                    wrong.append(repr(error))
                now = time.perf_counter()
                took.append((now - began, now - pressed))
                time.sleep(max(0.0, 0.2 - (now - pressed)))

    threads = [threading.Thread(target=types, args=(n,)) for n in range(clients)]
    before = server.cpu()
    for thread in threads:
        thread.start()
    memory = []
    while any(thread.is_alive() for thread in threads):
        time.sleep(seconds / 20)
        memory.append(server.megabytes())
    cpu = server.cpu() - before
    return {
        **spread([one for _, one in took]),
        "clients": clients,
        "seconds": seconds,
        "keys": len(took),
        "errors": len(wrong),
        "first_error": wrong[:1],
        "server_cpu_ms_a_key": 1000 * cpu / max(len(took), 1),
        "megabytes_over_time": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--corpus", default="storyworld", help="where the texts are from: its test text")
    parser.add_argument("--keys", type=int, default=60, help="on each of three screens; 0: no browser")
    parser.add_argument("--ribbons", type=int, default=10)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--save", metavar="NAME", help="write results/DATE-NAME.json")
    options = parser.parse_args()
    from lmzoo.data import corpus

    source = corpus.load(options.corpus).test
    results: dict[str, Any] = {**provenance.provenance(), "load": os.getloadavg()}
    with serving(options.runs) as server:
        results["models"] = [model["name"] for model in server.models]
        results["start_to_usable"] = server.start
        results["megabytes_at_start"] = server.megabytes()
        print(f"{len(server.models)} models: usable after {server.start['seconds']:.1f} s, "
              f"{results['megabytes_at_start']:.0f} MB")  # fmt: skip

        def measured(name: str, work: Callable[[], dict[str, Any]]) -> None:
            results[name] = work()
            print(f"{name}: {json.dumps(results[name])}", flush=True)

        if options.keys:
            measured("key_to_paint", lambda: keys(server, source, options.keys))
        measured("ribbon_of_200_characters", lambda: ribbons(server, source, options.ribbons))
        measured("writing", lambda: writing(server, source, options.ribbons))
        measured("crowd", lambda: crowd(server, source, options.clients, options.seconds))
        results["megabytes_peak"] = server.megabytes("VmHWM")
    results["load_after"] = os.getloadavg()
    print(f"{results['megabytes_peak']:.0f} MB at most; load:", *(f"{load:.1f}" for load in results["load_after"]))
    if options.save:
        record.save(options.save, results)


if __name__ == "__main__":
    main()
