"""Data flows one way, and imports with it: the design, read from the import statements."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lmzoo

PACKAGE = Path(lmzoo.__file__).parent
# Each line may import from the lines above it, and within its own line.
LAYERS = (
    ("errors",),
    ("interface", "grades"),
    ("_notation", "grammar", "_download", "_cards", "_split", "corpus", "tasks", "multiple_choice", "_zeroshot_tasks"),
    ("_tokenizer_base", "_tokenizer_bpe", "_tokenizer_split", "tokenizer", "_closed_vocabulary"),
    ("models",),
    (
        "sample",
        "mixture",
        "scaling",
        "evaluate",
        "_container",
        "codec",
        "compressors",
        "testing",
        "rescore",
        "zeroshot",
        "_overlap",
        "_phenomena",
        "exam",
        "_noisy_channel",
        "nbest",
        "passages",
        "samples",
        "_excerpt",
        "context",
        "calibration",
    ),
    (
        "_machine",
        "_tensors",
        "_kept",
        "_presets",
        "store",
        "_word_tests",
        "vectors",
        "word_map",
        "columns",
        "findings",
        "figures",
        "_page_texts",
        "published",
        "_point_names",
        "_history_figures",
        "_association_figures",
        "_grade_figures",
        "_probe_figures",
        "_curve_figures",
        "_context_figures",
        "_context_tables",
        "report",
    ),
    (
        "train",
        "certify",
        "associations",
        "knowledge",
        "curves",
        "_contestants",
        "compare",
        "arpa",
        "gpt2",
        "_arpa_lines",
        "_arpa_trie",
        "_arpa_reader",
        "explain",
        "_proximity",
        "pmi_solver",
        "_probe_data",
        "_probe_features",
        "probes",
        "_probe_units",
        "_vector_lines",
        "vector_files",
    ),
    (
        "_terminal",
        "_flags",
        "_exchange",
        "_vector_exchange",
        "_compare_command",
        "_explain_command",
        "_classes_command",
        "_codec_command",
        "_vectors_command",
        "_solve_command",
        "_probe_command",
        "_rescore_command",
        "_zeroshot_command",
        "commands",
    ),
    ("__main__", "__init__"),
)
LAYER = {module: number for number, layer in enumerate(LAYERS) for module in layer}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """The lmzoo modules a file imports, wherever in it: 'models.ngram', 'errors', …"""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lmzoo":
            base = (node.module or "").removeprefix("lmzoo").lstrip(".")
            inside = f"{base}." if base == "models" else ""  # of these packages the names are modules
            yield from [f"{inside}{alias.name}" for alias in node.names] if inside or not base else [base]
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix("lmzoo.") for a in node.names if a.name.startswith("lmzoo."))


def layer_of(path):
    relative = path.relative_to(PACKAGE)
    return LAYER["models" if len(relative.parts) > 1 else relative.stem]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    for module in imports(path):
        if module != "__version__":
            assert LAYER[module.split(".")[0]] <= layer_of(path), f"{path.name} may not import {module}"


@pytest.mark.parametrize("name", ["sample", "mixture", "evaluate", "testing", "rescore", "grades"])
def test_no_evaluator_knows_a_model(name):
    assert not any(module.startswith("models") for module in imports(PACKAGE / f"{name}.py"))


@pytest.mark.parametrize("path", sorted((PACKAGE / "models").glob("*.py")), ids=lambda path: path.stem)
def test_no_model_sees_text(path):
    allowed = {"errors", "interface"}
    found = {module for module in imports(path) if not module.startswith("models.")}
    assert found <= allowed


def test_no_file_needs_a_second_reading():
    """Some 400 lines are one sitting."""
    long = {path.name: lines for path in FILES if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 450}
    assert not long


def test_importing_lmzoo_loads_nothing_heavy():
    heavy = "{'torch', 'gensim', 'matplotlib', 'numba', 'scipy', 'numpy', 'tokenizers'}"
    code = f"import sys, lmzoo; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_unpickled():
    for path in FILES:
        source = path.read_text(encoding="utf-8")
        assert "import pickle" not in source
        assert "allow_pickle=True" not in source
