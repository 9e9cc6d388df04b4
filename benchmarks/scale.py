"""How cost grows: n-grams with the text, networks with width and window, a report with models and sections, cores.

    python benchmarks/scale.py [ngram] [nets] [report] [compare] [--corpus books] [--save]

Points are measured in processes of their own with one thread, and cost is CPU seconds or peak memory, which others on
the machine change little. The exponent of a curve is the slope of log cost on log size by least squares, and `at the
end` that between its last two points; `must` is what the work itself grows by, and a curve that is steeper at its end
by more than 0.15 is marked.

ngram    training on the first 1/8, 1/4, 1/2 and all of the corpus, words by `split`, order 5, with no limit on memory
         and with 1 GiB (`--order`, `--steps 7` from 1/64 on)
nets     a step of training, batches of 8: two layers of 64 to 512, a window of 64; and 32 to 256 tokens, width 128
report   the page of reports/storyworld with some of its models, all, and twice all; and 8 of them with some sections
compare  four small networks, 1,000 steps each, on 1 and on 2 cores: all CPU seconds, and those of the longest way, the
         command's own and the busiest of the processes beside it, which is what an idle machine would take

`--save` writes benchmarks/results/DATE-scale.{json,png,svg} with the parts that were measured; others stay as they are.
"""

import argparse
import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from ngram import peak_memory, text_of

HERE = Path(__file__).parent
RESULTS = HERE / "results"
STEEPER = 0.15
WIDTHS, WINDOWS = (64, 128, 256, 512), (32, 64, 128, 256)
MODELS, SECTIONS = (4, 8, 15, 30), (3, 6, 12)  # the sections with 8 models
COMPARED = ("rnn:preset=tiny", "mlp:preset=tiny", "lstm:preset=tiny", "gpt:preset=tiny")
# part, curve, and the exponent that the work itself has
CURVES = (
    ("ngram", "CPU seconds", 1.0),
    ("ngram", "peak memory", 1.0),
    ("ngram", "CPU seconds, 1 GiB", 1.0),
    ("ngram", "peak memory, 1 GiB", 1.0),  # what is learned grows so; the limit is on all of it
    ("nets", "GPT, width", 2.0),
    ("nets", "LSTM, width", 2.0),
    ("nets", "GPT, window", 2.0),
    ("nets", "LSTM, window", 1.0),
    ("report", "models", 1.0),
    ("report", "sections", 1.0),
    ("compare", "all CPU seconds", 0.0),
    ("compare", "the longest way", 0.0),
)
TITLES = {
    "ngram": "n-gram training: tokens",
    "nets": "a training step: width, window",
    "report": "drawing a report: models, sections",
    "compare": "lmzoo compare: cores",
}
CHARACTERS = 200_000  # of the text that is compared on
Points = dict[str, list[list[float]]]  # of each curve: [size, cost]


# ── Points, each in a process of its own ──────────────────────────────────────────────────────────


def train(path: str, tokens: int, order: int, memory: int) -> dict[str, Any]:
    """Fit on the first `tokens` of the ids in `path`."""
    from lmzoo.interface import Data, Run
    from lmzoo.models.ngram import Ngram

    ids = np.load(path, mmap_mode="r")
    vocab_size, ids = int(ids[0]), ids[1 : 1 + tokens]
    model = Ngram(order=order)
    model.warm_up()
    began = time.process_time()
    model.fit(Data.of(ids, ids[:0], vocab_size), Run(memory=memory or None))
    return {"cpu": time.process_time() - began, "peak": peak_memory(), "ngrams": model.size()[0]}


def steps(name: str, widths: list[int], windows: list[int], count: int = 5) -> list[float]:
    """The least CPU seconds of a step, at each of these widths and windows."""
    from neural import ids_of, trainer

    ids, _, vocab_size = ids_of("shakespeare")
    least = []
    for width, window in zip(widths, windows, strict=True):
        sizes = {"width": width} if name == "gpt" else {"hidden": width, "embedding": width}
        one = trainer(name, {**sizes, "layers": 2, "window": window, "batch": 8}, ids, vocab_size, "float32").step
        taken = []
        for _ in range(count + 2):
            began = time.process_time()
            one()
            taken.append(time.process_time() - began)
        least.append(min(taken[2:]))
    return least


def renders(models: list[int], sections: list[int]) -> list[float]:
    """CPU seconds to draw the report of reports/storyworld with so many models and sections."""
    from lmzoo.comparison.results import Comparison
    from lmzoo.report import page
    from lmzoo.report.section import sections as every

    whole = json.loads((HERE.parent / "reports" / "storyworld" / "results.json").read_text("utf-8"))
    own = [section.id for section in every() if section.id in whole and section.facts is not None]
    taken = []
    for shown, kept in [(1, 2), *zip(models, sections, strict=True)]:  # the first imports, and reads fonts
        results = {key: value for key, value in whole.items() if key not in own[kept:]}
        comparison = Comparison.from_json(with_models(results, shown), every())
        began = time.process_time()
        page.render(comparison)
        taken.append(time.process_time() - began)
        print(shown, kept, taken[-1], file=sys.stderr, flush=True)
    return taken[1:]


def with_models(results: dict[str, Any], count: int) -> dict[str, Any]:
    """Results with the first `count` models; those behind the last are copies under other names."""
    labels = [row["label"] for row in results["rows"]]
    names: dict[str, list[str]] = {label: [] for label in labels}
    for n in range(count):
        label = labels[n % len(labels)]
        names[label].append(label if n < len(labels) else f"{label}, copy {n // len(labels)}")

    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: of(item) for key, item in value.items()}
        if isinstance(value, list) and value and all(isinstance(one, dict) and "label" in one for one in value):
            return [{**one, "label": name} for one in value for name in names.get(one["label"], [one["label"]])]
        return [of(item) for item in value] if isinstance(value, list) else value

    return of(results) | {"differences": []}


POINTS: dict[str, Callable[..., Any]] = {"train": train, "steps": steps, "renders": renders}


def point(work: str, **given: Any) -> Any:
    """One of POINTS in a process with one thread."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    run = [sys.executable, __file__, "--point", work, json.dumps(given)]
    done = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | one)
    facts = json.loads(done.stdout.splitlines()[-1])
    print(work, *(value for value in given.values() if not isinstance(value, str)), facts, flush=True)
    return facts


# ── Parts ─────────────────────────────────────────────────────────────────────────────────────────


def measure_ngram(options: argparse.Namespace) -> Points:
    """CPU seconds and peak memory against tokens, with and without a limit."""
    from lmzoo.data import tokenizers

    points: Points = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ids.npy"
        tokenizer, ids = tokenizers.train_and_encode("split", text_of(options.corpus, "train"), True)
        np.save(path, np.concatenate([[tokenizer.vocab_size], ids]).astype(np.int32))
        for exponent in reversed(range(options.steps)):
            for limit, memory in (("", 0), (", 1 GiB", 1 << 30)):
                tokens = len(ids) >> exponent
                facts = point("train", path=str(path), tokens=tokens, order=options.order, memory=memory)
                points.setdefault(f"CPU seconds{limit}", []).append([tokens, facts["cpu"]])
                points.setdefault(f"peak memory{limit}", []).append([tokens, facts["peak"]])
    return points


def measure_nets(_: argparse.Namespace) -> Points:
    """CPU seconds of a step against width and window."""
    points: Points = {}
    for name, shown in (("gpt", "GPT"), ("lstm", "LSTM")):
        widths, windows = [*WIDTHS, *[128] * len(WINDOWS)], [*[64] * len(WIDTHS), *WINDOWS]
        costs = point("steps", name=name, widths=widths, windows=windows)
        points[f"{shown}, width"] = [[*pair] for pair in zip(WIDTHS, costs, strict=False)]
        points[f"{shown}, window"] = [[*pair] for pair in zip(WINDOWS, costs[len(WIDTHS) :], strict=True)]
    return points


def measure_report(_: argparse.Namespace) -> Points:
    """CPU seconds of a page against models, of all sections, and against sections."""
    costs = point("renders", models=[*MODELS, *[8] * len(SECTIONS)], sections=[*[99] * len(MODELS), *SECTIONS])
    return {
        "models": [[*pair] for pair in zip(MODELS, costs, strict=False)],
        "sections": [[*pair] for pair in zip(SECTIONS, costs[len(MODELS) :], strict=True)],
    }


def measure_compare(_: argparse.Namespace) -> Points:
    """CPU seconds on one core and on two."""
    points: Points = {"all CPU seconds": [], "the longest way": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"  # as any text, without the exam that storyworld's grammar gives
        path.write_text(text_of("storyworld", "train")[:CHARACTERS], encoding="utf-8")
        command = [sys.executable, "-m", "lmzoo", "compare", *COMPARED, "--corpus", str(path), "--budget", "1000steps"]
        for cores in (1, 2):
            every, longest = watched([*command, "--out", f"{folder}/{cores}", "--quiet"], cores)
            print(f"compare on {cores}: {every:.1f} CPU seconds, {longest:.1f} the longest way", flush=True)
            points["all CPU seconds"].append([cores, every])
            points["the longest way"].append([cores, longest])
    return points


def watched(command: list[str], cores: int) -> tuple[float, float]:
    """CPU seconds of a command with its processes, and of it and the busiest of them."""
    import psutil

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = psutil.Popen(command, env=os.environ | {"OMP_NUM_THREADS": str(cores)}, stdout=subprocess.DEVNULL)
    used: dict[int, float] = {}
    while process.poll() is None:
        try:
            for one in [process, *process.children(recursive=True)]:
                times = one.cpu_times()
                used[one.pid] = times.user + times.system
        except psutil.Error:
            pass
        time.sleep(0.5)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = used.pop(process.pid)
    return sum(after[:2]) - sum(before[:2]), own + max(used.values(), default=0.0)


MEASURES = {"ngram": measure_ngram, "nets": measure_nets, "report": measure_report, "compare": measure_compare}


# ── What is shown ─────────────────────────────────────────────────────────────────────────────────


def slopes(points: list[list[float]]) -> tuple[float, float]:
    """The exponent through all points, and through the last two."""
    size, cost = np.log(np.array(points)).T
    return float(np.polyfit(size, cost, 1)[0]), float((cost[-1] - cost[-2]) / (size[-1] - size[-2]))


def table(parts: dict[str, Points]) -> list[str]:
    """A line for each curve, as in README.md."""
    lines = ["| | size | cost | exponent | at the end | must |", "|---|---|---|---:|---:|---:|"]
    for part, curve, must in CURVES:
        if points := parts.get(part, {}).get(curve):
            through, end = slopes(points)
            sizes, costs = (f"{shown(points[0][i], curve * i)} → {shown(points[-1][i], curve * i)}" for i in (0, 1))
            mark = "**" if end > must + STEEPER else ""
            name = f"{TITLES[part].split(':')[0]}: {curve}"
            lines.append(f"| {name} | {sizes} | {costs} | {through:.2f} | {mark}{end:.2f}{mark} | {must:g} |")
    return lines


def shown(value: float, curve: str) -> str:
    """A size, or the cost of a curve with its unit."""
    if "memory" in curve:
        return f"{value / 2**20:,.0f} MiB"
    if not curve:
        return f"{value:,.0f}"
    return f"{value:.1f} s" if value >= 1 else f"{1e3 * value:.1f} ms"


def draw(parts: dict[str, Points]) -> Any:
    """Four panels: how many times the cost of the first point, against how many times its size."""
    from matplotlib.ticker import NullLocator

    from lmzoo.report.canvas import COLOURS, MARKERS, SLIDE, new_figure

    hues = [COLOURS[family] for family in ("count", "transformer", "association", "masked")]
    figure = new_figure(SLIDE.width, 10)
    for axes, (part, title) in zip(figure.subplots(2, 2).flat, TITLES.items(), strict=True):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        curves = [curve for of, curve, _ in CURVES if of == part and curve in parts.get(part, {})]
        widest = max((p[-1][0] / p[0][0] for p in parts.get(part, {}).values()), default=2)
        axes.plot([1, widest], [1, widest], color="#777777", linestyle=":", linewidth=1.6, label="in proportion")
        for curve, hue, marker in zip(curves, hues, MARKERS, strict=False):
            size, cost = np.array(parts[part][curve]).T
            name = f"{curve}: {slopes(parts[part][curve])[0]:.2f}"
            axes.plot(size / size[0], cost / cost[0], color=hue, marker=marker, linewidth=2.4, markersize=8, label=name)
        axes.set_title(title, loc="left", fontsize=17)
        axes.legend(frameon=False, fontsize=13, loc="upper left")
        axes.set_xlabel("times the size of the first point", fontsize=13)
        axes.set_ylabel("times its cost", fontsize=13)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
        axes.tick_params(labelsize=13)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def save(measured: dict[str, Points], facts: dict[str, Any]) -> None:
    from lmzoo.report.canvas import image
    from lmzoo.runs import provenance

    stem = RESULTS / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}-scale"
    path = stem.with_suffix(".json")
    parts = json.loads(path.read_text(encoding="utf-8"))["parts"] if path.is_file() else {}
    for part, points in measured.items():
        parts[part] = {**provenance.provenance(), "load": os.getloadavg(), **facts, "points": points}
    path.write_text(json.dumps({"parts": parts}, indent=1) + "\n", encoding="utf-8")
    of = {part: one["points"] for part, one in parts.items()}
    for kind in ("png", "svg"):
        stem.with_suffix(f".{kind}").write_bytes(image(lambda: draw(of), kind))
    print("\n".join([f"saved {stem}.json, .png and .svg", *table(of)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[], help="ngram, nets, report, compare; all, if none is named")
    parser.add_argument("--corpus", default="books")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="halvings of the corpus, and one")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        work, given = options.point
        print(json.dumps(POINTS[work](**json.loads(given))))
        return
    if unknown := set(options.parts) - MEASURES.keys():
        parser.error(f"there is no part {unknown.pop()}; there are: {', '.join(MEASURES)}")
    measured = {part: MEASURES[part](options) for part in options.parts or MEASURES}
    if options.save:
        save(measured, {"corpus": options.corpus, "order": options.order})
    else:
        print("\n".join(table(measured)))


if __name__ == "__main__":
    main()
