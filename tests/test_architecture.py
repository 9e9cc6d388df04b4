"""Data flows one way, and imports with it: the order of the rooms, read from the import statements."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import lmzoo

PACKAGE = Path(lmzoo.__file__).parent
# A room (a module or package at the top of lmzoo) may import from those before it and from itself, from nothing behind.
ROOMS = [
    "errors", "files", "drafts", "progress", "loops", "cluster", "labels", "sampling", "interface", "data", "neural",
    "ngrams", "embeddings", "models", "testing", "evaluation", "tasks", "analysis", "runs", "compression", "formats",
    "comparison", "report", "serve", "course", "cli",
]  # fmt: skip
ENTRANCES = {"__init__", "__main__"}  # the public names and `python -m lmzoo`: they may import from any room
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    """'data.tokenizers' of lmzoo/data/tokenizers/__init__.py, '__init__' of lmzoo/__init__.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_of(path): path for path in FILES}


@cache
def imports(path):
    """The modules of lmzoo that a file imports, wherever in it, for type checking too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lmzoo":
            base = (node.module or "").removeprefix("lmzoo").lstrip(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}".lstrip(".")
                found.add(whole if whole in MODULES else base or "__init__")
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively: write the whole name"
        elif isinstance(node, ast.Import):
            found |= {name.name.removeprefix("lmzoo.") for name in node.names if name.name.startswith("lmzoo.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_one_way(path):
    room = module_of(path).split(".")[0]
    if room in ENTRANCES:
        return
    allowed = ROOMS[: ROOMS.index(room) + 1]
    for module in imports(path) - {"__init__"}:
        assert module.split(".")[0] in allowed, f"{module_of(path)} may not import {module}"


def test_no_modules_import_each_other():
    """No cycle, wherever the imports stand: modules are taken away while there is one whose imports are all gone."""
    left = {module: imports(path) & set(MODULES) - {module, "__init__"} for module, path in MODULES.items()}
    while done := {module for module, needs in left.items() if not needs & set(left)}:
        left = {module: needs for module, needs in left.items() if module not in done}
    assert not left, "these import each other in a circle, or something that does"


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name in ("models", "neural", "ngrams", "embeddings")])
def test_no_model_sees_text(path):
    assert {module.split(".")[0] for module in imports(path)} <= set(ROOMS[: ROOMS.index("models") + 1]) - {"data"}


def test_no_file_is_hidden():
    assert not [path for path in FILES if path.stem.startswith("_") and path.stem not in ENTRANCES]


def test_no_file_needs_a_second_reading():
    """Some 400 lines are one sitting."""
    long = {path.name: lines for path in FILES if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 450}
    assert not long


def test_tests_mirror_the_package():
    tests = Path(__file__).parent
    rooms = {path.name for path in tests.iterdir() if path.is_dir() and list(path.glob("test_*.py"))}
    assert rooms - {"contract", "attacks"} <= set(ROOMS)


@pytest.mark.parametrize("loading", ["import lmzoo", "from lmzoo.cli.app import add_all_commands; add_all_commands()"])
def test_neither_the_package_nor_help_loads_anything_heavy(loading):
    heavy = "{'torch', 'gensim', 'matplotlib', 'numba', 'scipy', 'sklearn', 'numpy', 'tokenizers', 'requests'}"
    code = f"import sys; {loading}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_unpickled():
    for path in FILES:
        source = path.read_text(encoding="utf-8")
        assert "import pickle" not in source
        assert "allow_pickle=True" not in source


def test_nobody_asks_which_tokenizer_it_is():
    """Code asks what a tokenizer does (`normalize`, `closed`, `word`), so that a new one needs no edit elsewhere."""
    for path in FILES:
        if "tokenizers" not in path.parts:
            assert not re.search(
                r"spec(\.partition\(.*\)\[0\])? (==|!=) [\"']|spec\.startswith", path.read_text("utf-8")
            ), path
