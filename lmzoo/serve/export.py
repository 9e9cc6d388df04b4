"""The page as one file that needs no server: frozen answers, and a character 5-gram that is live in JavaScript.

Browsers refuse modules from file://, so the modules of the page become one classic script, each a function that is
called once and returns what it exports. Its hash stands in the page's Content-Security-Policy: no other script runs,
and nothing is loaded from anywhere.
"""

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.data import tokenizers
from lmzoo.drafts import draft_folder_of
from lmzoo.errors import LmzooError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Progress
from lmzoo.models.ngram import Ngram
from lmzoo.serve.app import STATIC, facts, screens
from lmzoo.serve.contestants import Contestant, Contestants
from lmzoo.serve.handlers import handlers
from lmzoo.serve.handlers.write import training_of
from lmzoo.serve.reading import Reader

PROMPTS = (
    "Clara came to the lucky salon because she wanted a red ticket.",
    "My tired doctor liked lighthouses.",
    "On Saturday, Ingrid found a yellow spoon near her spa and painted the yellow spoon.",
    "In May she threw the yellow spoon away.",
    "The owls that the penguins follow look free.",
    "The statue of Jacob is green. The statue of Jacob is still green.",
    'The baker wrote "some bold doctors ironed this huge bell" in October.',
    "Many gloomy farmers smelled a plain bucket.",
    "Felix slept behind the hard villa, and she coughed.",
    "Three lazy sailors lent some huge straw lamps.",
    "The plot was weak and the music magical.",
    "Your hyena full of carrion jumps seldom near our bush.",
    "At night your poor monkey always finds wild bananas.",
    "The keys to the cabinet are on the table.",
    "Colourless green ideas sleep furiously.",
    "Furiously sleep ideas green colourless.",
    "To be, or not to be, that is the question.",
    "Mr Jones wrote the first of 1,024 letters in 1948.",
    "the the the the the the the the",
    "Ein Café in Zürich ☕ war geöffnet.",
)
LEARNED_FROM = 3_000_000  # characters of a training text, for the live model
MOST_LIVE = 1_500_000  # characters of the live model in the page
LIVE = "live"


def export(folder: Path, contestants: Contestants, progress: Progress | None = None) -> int:
    """Write `folder`/index.html; returns its bytes. Raises UsageError for a folder that has something in it."""
    refuse(folder)
    content = page(contestants, progress or Progress()).encode()
    try:
        with draft_folder_of(folder, overwrite=folder.exists()) as draft:
            (draft / "index.html").write_bytes(content)
            refuse(folder)  # nothing has come there meanwhile
    except OSError as error:
        raise LmzooError(f"{folder} could not be written: {error.strerror}") from None
    return len(content)


def refuse(folder: Path) -> None:
    """Raise UsageError unless `folder` is new or empty."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} is not a new or empty folder: name another one to export to")


def page(contestants: Contestants, progress: Progress) -> str:
    """The page of these runs, with their answers to the PROMPTS.

    Runs that cannot be read are left out: why they cannot may name folders, which are nobody else's business.
    """
    runs = [run for run in contestants if run.reader]
    live = live_run(contestants)
    if live:
        runs.insert(sum(run.text_model.model.origin.year <= Ngram.year for run in runs), live)
    contestants = Contestants(tuple(runs))
    known = handlers()
    answers = list(_answers(contestants, progress))
    frozen = {path for path, _, _ in answers}
    asked = {name: set(re.findall(r"/api/[\w/]+", _source(f"screens/{name}.js"))) for name in screens()}
    content = {
        "facts": facts(contestants),
        "prompts": PROMPTS,
        "answers": answers,
        "streams": [path for path, handler in known.items() if handler.streams],
        "unanswered": [name for name, paths in asked.items() if paths and not paths & frozen],
        "live": to_json(live.text_model) if live else None,
    }
    return _html(_script(), json.dumps(content, separators=(",", ":")))


def _answers(contestants: Contestants, progress: Progress) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """(path, question, answer) of everything that the screens ask of each prompt."""
    known = set()
    for prompt in progress.track("freezing", PROMPTS):
        for path, handler in handlers().items():
            for question in handler.frozen(contestants, prompt):
                if (key := json.dumps([path, question])) in known:
                    continue
                known.add(key)
                try:
                    lines = [_short(line) for line in handler.handle(contestants, handler.request(**question)) if line]
                except LmzooError:  # as a model says that cannot: so does the page, when it is asked
                    continue
                yield path, question, _merged(lines) if handler.streams else lines[-1]


def _short(value: Any) -> Any:
    """Six digits of each number are enough for a page."""
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_short(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _merged(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of a stream, those with a text of one model as one."""
    merged: list[dict[str, Any]] = []
    texts: dict[str, dict[str, Any]] = {}
    for line in lines:
        if "text" in line and line["id"] in texts:
            texts[line["id"]]["text"] += line["text"]
        else:
            merged.append(line)
            if "text" in line:
                texts[line["id"]] = line
    return merged


# ── The live model ────────────────────────────────────────────────────────────────────────────────


def live_run(contestants: Contestants) -> Contestant | None:
    """A character 5-gram of the training text of the first run whose text is at hand."""
    for run in contestants:
        if run.reader and (text := training_of(run)):
            reader = Reader(character_model(text))
            return replace(run, id=LIVE, name="5-gram of characters, live in this page", reader=reader)
    return None


def character_model(text: str) -> TextModel:
    """A 5-gram of the characters of `text`, or of so much of its beginning that it takes MOST_LIVE characters."""
    text = text[:LEARNED_FROM]
    while True:
        tokenizer = tokenizers.train("char", text)
        ids = tokenizer.encode(text)
        model = Ngram(order=5).fit(Data.of(ids, ids[:0], tokenizer.vocab_size))
        if len(json.dumps(to_json(text_model := TextModel(model, tokenizer)))) <= MOST_LIVE:
            return text_model
        text = text[: len(text) // 2]


def to_json(text_model: TextModel) -> dict[str, Any]:
    """What static/export/ngram.js makes the model from."""
    model, tokenizer = text_model
    trie = model.trie_
    assert model.vocab_size_ < 1 << 16
    arrays = {
        "words": (trie.words, "<u2"),
        "probs": (trie.probs, "<f4"),
        "degrees": (np.diff(trie.children), "<u2"),
        "gammas": (trie.gammas, "<f4"),
    }
    saved = tokenizer.to_json()
    return {"order": model.order_, "chars": "".join(saved["chars"]), "lines": saved["lines"]} | {
        key: base64.b64encode(array.astype(kind).tobytes()).decode() for key, (array, kind) in arrays.items()
    }


# ── The page ──────────────────────────────────────────────────────────────────────────────────────


def _html(script: str, content: str) -> str:
    style = (STATIC / "style.css").read_text(encoding="utf-8")
    icon = base64.b64encode((STATIC / "icon.svg").read_bytes()).decode()
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    content = content.replace("<", "\\u003c")  # so that no text ends the script that it stands in
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    for old, new in (
        (
            '<meta charset="utf-8">',
            f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">',
        ),
        ('<link rel="icon" href="icon.svg">', f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">'),
        ('<link rel="stylesheet" href="style.css">', f"<style>{style}</style>"),
        ('<script type="module" src="start.js"></script>\n', ""),
        (
            "</html>",
            f'<script type="application/json" id="page">{content}</script>\n<script>{script}</script>\n</html>',
        ),
    ):
        assert html.count(old) == 1, old
        html = html.replace(old, new)
    return html


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _script() -> str:
    """All modules as one classic script, in which `fetch` is that of export/frozen.js."""
    names = [path.relative_to(STATIC).as_posix() for path in sorted(STATIC.rglob("*.js"))]
    ordered: list[str] = []
    for name in ("export/frozen.js", *(name for name in names if name != "start.js"), "start.js"):
        _add(name, ordered)
    first = ordered.index("export/frozen.js") + 1
    return "\n".join(
        [
            '"use strict";\n(() => {\nconst modules = {};',
            *map(_module, ordered[:first]),
            'const page = JSON.parse(document.getElementById("page").textContent);',
            'const fetch = modules["export/frozen.js"].answering(page);',
            *map(_module, ordered[first:]),
            'modules["start.js"].started.then(() => modules["export/frozen.js"].offer(page, modules["app.js"].app));',
            "})();",
        ]
    )


_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|const|class)\*? (\w+))", re.MULTILINE)


def _source(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _place(importer: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), path))


def _add(name: str, ordered: list[str]) -> None:
    """Add a module to `ordered`, after those that it imports."""
    for _, path in _IMPORT.findall(_source(name)):
        _add(_place(name, path), ordered)
    if name not in ordered:
        ordered.append(name)


def _module(name: str) -> str:
    """A module as an expression of a classic script."""
    source = _source(name)
    exported = _EXPORT.findall(source)
    source = _IMPORT.sub(
        lambda found: f'const {{{found[1].replace(" as ", ": ")}}} = modules["{_place(name, found[2])}"];', source
    )
    source = _EXPORT.sub("", source)
    source, default = re.subn(r"^export default ", "const $default = ", source, flags=re.MULTILINE)
    source = re.sub(r"\bimport\((.*?)\)", r'Promise.resolve(modules[(\1).replace("./", "")])', source)
    returned = [*exported, *(["default: $default"] if default else [])]
    if re.search(r"^(import|export)\b", source, re.MULTILINE) or "</script" in source:
        raise LmzooError(f"static/{name} has an import or export that an exported page cannot have")
    return f'modules["{name}"] = (() => {{\n{source}\nreturn {{ {", ".join(returned)} }};\n}})();'
