"""What `import lmzoo` offers: exactly the names of `__all__`, each of which is documented and works."""

import inspect
import subprocess
import sys

import pytest

import lmzoo
from lmzoo.errors import UsageError
from lmzoo.interface import Data, LanguageModel
from lmzoo.models.uniform import Uniform

TEXT = "the cat sat on the mat.\n" * 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text and a bigram trained on it."""
    from lmzoo.data import tokenizers
    from lmzoo.evaluation.text_model import TextModel
    from lmzoo.models.ngram import Ngram
    from lmzoo.runs import store

    folder = tmp_path_factory.mktemp("public")
    (folder / "own.txt").write_text(TEXT)
    characters = tokenizers.train("char", TEXT)
    ids = characters.encode(TEXT)
    model = Ngram(order=2).fit(Data.of(ids, ids[:100], characters.vocab_size))
    store.save(TextModel(model, characters), folder / "run")
    return folder


def test_what_is_exported_is_exactly_all():
    names = {name for name in dir(lmzoo) if not name.startswith("__")} | {"__version__"}
    assert names == set(lmzoo.__all__)
    for name in lmzoo.__all__:
        assert getattr(lmzoo, name) is not None


@pytest.mark.parametrize("name", sorted(set(lmzoo.__all__) - {"__version__"}))
def test_each_is_documented(name):
    value = getattr(lmzoo, name)
    assert inspect.getdoc(value)
    if inspect.isfunction(value):
        assert all(parameter in f"{name}{inspect.signature(value)}{value.__doc__}"
                   for parameter in inspect.signature(value).parameters)  # fmt: skip
        assert "Raises" in value.__doc__


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'lmzoo' has no attribute 'nothing'"):
        lmzoo.nothing  # noqa: B018


def test_modules_are_imported_when_they_are_asked_for():
    code = "import sys, lmzoo; before = 'lmzoo.interface' in sys.modules; lmzoo.interface.Model; print(before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_run_is_loaded_and_evaluated(folder):
    text_model = lmzoo.load(folder / "run")
    model, tokenizer = text_model
    assert isinstance(model, LanguageModel)
    assert tokenizer.decode(tokenizer.encode("the cat")) == "the cat"
    score = lmzoo.evaluate(text_model, "the mat.\n")
    assert score.characters == 9
    assert 0 < score.bits_per_character < 8
    assert lmzoo.evaluate(str(folder / "run"), "the mat.\n").bits == score.bits
    assert lmzoo.evaluate(text_model, "the mat.\nthe cat\n", protocol="lines").protocol == "lines"


def test_models_are_compared_and_reported(folder):
    (folder / "test.txt").write_text("the cat.\n" * 9)
    parts = {"train": folder / "own.txt", "test": folder / "test.txt"}
    comparison = lmzoo.compare(["uniform", str(folder / "run")], out=folder / "report", budget="1s", **parts)
    assert comparison.corpus.characters["test"] == 81
    assert [row.error for row in comparison.rows] == [None, None]
    assert (folder / "report" / "index.html").is_file()


def test_a_model_is_checked_by_class_name_and_file(folder):
    (folder / "mine.py").write_text(inspect.getsource(sys.modules[Uniform.__module__]))
    for model in (Uniform, "uniform", str(folder / "mine.py")):
        assert all(check.passed for check in lmzoo.check(model))
    with pytest.raises(UsageError, match="no model named 'nothing'"):
        lmzoo.check("nothing")
