"""The table of checks in lmzoo/testing/README.md: `python -m tests.contract.test_table` writes it anew."""

from pathlib import Path

from lmzoo import testing
from lmzoo.testing.contract import checks_of
from tests.contract.right_models import RIGHT

FILE = Path(testing.__file__).with_name("README.md")
TEXT = """\
# What `lmzoo check` looks for

A model has the checks of each class of [`lmzoo/interface.py`](../interface.py) that it derives from. Written from the
docstrings by `python -m tests.contract.test_table`.

| class | check | what must hold |
|---|---|---|
"""


def table():
    """The text of the file, from the docstrings of the checks."""
    checks = {(ability, check.__name__): check.__doc__ for kind in RIGHT for ability, check, _ in checks_of(kind)}
    rows = {}
    for (ability, name), doc in checks.items():
        rows.setdefault(ability, []).append(f"| {ability} | {name.replace('_', ' ')} | {doc.splitlines()[0]} |\n")
    return TEXT + "".join(row for group in rows.values() for row in group)


def test_the_table_has_every_check_and_says_what_its_docstring_says():
    assert FILE.read_text(encoding="utf-8") == table()


if __name__ == "__main__":
    FILE.write_text(table(), encoding="utf-8")
