"""Notebooks: an assignment as Jupyter shows it, and the code of one that was handed in.

Plain nbformat 4 (https://nbformat.readthedocs.io/en/latest/format_description.html): JSON, written and read here.
"""

import ast
import json
import re
from itertools import pairwise
from typing import Any

from lmzoo.errors import FormatError

MAGIC = re.compile(r"\s*(%[A-Za-z_]|[!?])")  # how a line begins that is for IPython, not for Python
MOST = 1000  # cells


def write(handout: str, starter: str) -> bytes:
    """A notebook: a cell for each section of the handout, then one for each definition of the starter."""
    sections = ("\n" + handout).split("\n## ")
    cells = [_cell("markdown", text.strip("\n") if n == 0 else f"## {text}") for n, text in enumerate(sections)]
    cells += [_cell("code", text) for text in _definitions(starter)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def code(contents: bytes) -> bytes:
    """The code cells of a notebook, one below the other; what is for IPython alone is left out.

    Raises FormatError, in words for the student, for what is no notebook.
    """
    try:
        notebook = json.loads(contents)
        cells = notebook["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        texts = [source if isinstance(source, str) else "".join(source) for source in sources]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FormatError("it is no notebook of nbformat 4: save it again in Jupyter") from None
    if len(cells) > MOST:
        raise FormatError(f"it has {len(cells):,} cells, and may have {MOST:,}")
    return "\n\n".join(f"# [code cell {n}]\n{_python(text)}" for n, text in enumerate(texts, 1)).encode(
        "utf-8", "surrogatepass"
    )


def _cell(kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": text.rstrip("\n").splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _definitions(source: str) -> list[str]:
    """A file cut before each definition of a function."""
    lines = source.splitlines(keepends=True)
    starts = [node.lineno - 1 for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    cuts = [0, *starts, len(lines)]
    return ["".join(lines[a:b]) for a, b in pairwise(cuts) if a < b]


def _python(text: str) -> str:
    """A cell with its magics as comments: a cell that begins with two percent signs is one as a whole."""
    # Not parsed to tell them: what a student wrote is compiled in a process of its own alone.
    whole = text.lstrip().startswith("%%")
    return "\n".join(f"# {line}" if whole or MAGIC.match(line) else line for line in text.split("\n"))
