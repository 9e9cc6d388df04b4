"""Models are found by file name, or by the path of a file; their settings are their dataclass's fields."""

import ast
import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lmzoo import models
from lmzoo.errors import UsageError
from lmzoo.neural.training.config import Training

WHOLE = """
from dataclasses import dataclass, field
from lmzoo.interface import LanguageModel

{decorator}
class Mine(LanguageModel):
{fields}
    reach = 0
    def fit(self, data, run=None): return self
    def start(self): return ()
    def advance(self, state, tokens): return ()
    def next_log_probs(self, state): return None
"""


def write(path, fields="", decorator="@dataclass", more=""):
    path.write_text(WHOLE.format(fields=f"    {fields}", decorator=decorator) + more)
    return str(path)


@pytest.fixture
def mine(tmp_path):
    return tmp_path / "mine.py"


def test_every_model_has_a_file_a_year_and_a_line():
    for name in models.names():
        facts = models.about(name)
        assert models.find(name).name == name
        assert models.find(name).year == facts["year"] > 1900
        assert facts["paper"]
        assert facts["summary"].endswith(".")


def test_models_are_listed_in_the_order_of_history():
    years = [models.about(name)["year"] for name in models.names()]
    assert years == sorted(years)


def test_every_setting_of_the_zoo_is_explained():
    for name in models.names():
        assert all(setting.help for setting in models.settings(models.find(name)))


def test_listing_models_imports_none():
    code = (
        "import sys; from lmzoo import models; [models.about(n) for n in models.names()];"
        "print([m for m in sys.modules if m.startswith('lmzoo.models.')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_file_is_named_by_its_file(mine):
    assert models.find(write(mine)).name == "mine"


def test_two_files_of_one_name_are_two_models(tmp_path):
    (tmp_path / "a").mkdir()
    one = models.find(write(tmp_path / "mine.py", "order: int = 1"))
    two = models.find(write(tmp_path / "a" / "mine.py", "order: int = 2"))
    assert (one().order, two().order) == (1, 2)


def test_a_file_that_was_edited_is_read_again(mine):
    assert models.find(write(mine, "order: int = 1"))().order == 1
    assert models.find(write(mine, "order: int = 2"))().order == 2


def test_a_class_that_another_builds_on_is_a_part_of_it(mine):
    mine.write_text(WHOLE.format(fields="", decorator="@dataclass") + "\n@dataclass\nclass Other(Mine): ...\n")
    assert models.find(str(mine)).__name__ == "Other"


def test_nothing_is_written_beside_a_file(mine):
    models.find(write(mine))
    assert [path.name for path in mine.parent.iterdir()] == ["mine.py"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "exactly one model .*; it has none"),
        (WHOLE.format(fields="", decorator="@dataclass") + "class A(Mine): ...\nclass B(Mine): ...", "has A, B"),
        ("def broken(:\n", "SyntaxError in line 1"),
        ("x = 1\ny = 1 / 0\n", "ZeroDivisionError in line 2: division by zero"),
        ("import not_there_at_all\n", "needs not_there_at_all, which is not installed"),
        ("raise SystemExit(3)\n", "SystemExit"),
        ("x = 1\0\n", "cannot be imported"),
        (WHOLE.format(fields="", decorator=""), "Mine in .* must be a dataclass"),
        (WHOLE.format(fields="", decorator="@dataclass").replace("def start", "def begin"), "lacks start"),
    ],
)
def test_a_file_that_is_no_model(mine, text, says):
    mine.write_text(text)
    with pytest.raises(UsageError, match=says) as error:
        models.find(str(mine))
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="no model file at"):
        models.find(str(tmp_path / "none.py"))
    with pytest.raises(UsageError, match="is a folder"):
        models.find(f"{tmp_path}/")


def test_an_alias_is_no_second_model(mine):
    assert models.find(write(mine, more="\nAlias = Mine\n")).__name__ == "Mine"


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("x: int = 1", "7", 7),
        ("x: float = 1.0", "0.5", 0.5),
        ("x: str = 'a'", "b", "b"),
        ("x: bool = False", "true", True),
        ("x: int | None = None", "7", 7),
        ("x: float", "1e-3", 1e-3),
        ("x: int = field(default_factory=lambda: 3)", "4", 4),
    ],
)
def test_a_setting_is_read_as_its_type(mine, field, text, value):
    made = models.make(models.find(write(mine, field)), {"x": text})
    assert made.config() == {"x": value}
    assert type(made.x) is type(value)


def test_the_comment_behind_a_field_is_its_help(mine):
    (setting,) = models.settings(models.find(write(mine, "x: int = 1  # how many, 1 to 9")))
    assert (setting.name, setting.type, setting.default, setting.help) == ("x", int, 1, "how many, 1 to 9")


def test_a_long_comment_may_stand_above_its_field(mine):
    setting, plain = models.settings(
        models.find(write(mine, "# how many,\n    # 1 to 9\n    x: int = 1\n    y: int = 2"))
    )
    assert (setting.help, plain.help) == ("how many, 1 to 9", "")


@pytest.mark.parametrize(
    ("field", "given", "says"),
    [
        ("order: int = 1", {"ordr": "2"}, "no setting 'ordr'; it has: order; did you mean order"),
        ("order: int = 1", {"order": "two"}, "order must be a whole number, not 'two'"),
        ("x: float = 1", {"x": "two"}, "x must be a number, not 'two'"),
        ("x: bool = False", {"x": "maybe"}, "x is true or false, not 'maybe'"),
        ("x: int", {}, "needs its setting 'x', a whole number"),
        ("x: list = field(default_factory=list)", {}, "the field 'x' of Mine is list"),
        ("x: int | str = 1", {}, "the field 'x' of Mine"),
        ("x: 'Nothing' = 1", {}, "Nothing"),
    ],
)
def test_a_setting_that_cannot_be(mine, field, given, says):
    with pytest.raises(UsageError, match=says):
        models.make(models.find(write(mine, field)), given)


def test_the_fit_of_before_is_refused_with_what_to_write_now(mine):
    mine.write_text(Path(write(mine)).read_text().replace("data, run=None", "train, valid, vocab_size, run=None"))
    with pytest.raises(UsageError, match=r"write fit\(self, data, run=None\) and use data\.train"):
        models.find(str(mine))


# ── Training apart from architecture ──────────────────────────────────────────────────────────────


def test_the_settings_of_training_follow_the_model_s_own_with_its_defaults():
    settings = {setting.name: setting for setting in models.settings(models.find("lstm"))}
    training = list(settings)[-14:]
    assert training[:3] == ["batch", "window", "optimizer"]
    assert all(settings[name].shared for name in training)
    assert not any(settings[name].shared for name in list(settings)[:-14])
    assert (settings["learning_rate"].default, settings["optimizer"].default) == (1e-2, "muon")


def test_a_field_of_the_model_that_is_one_of_training_too_is_one_value():
    """A transformer's window is how far it sees, and what it is trained on."""
    gpt = models.find("gpt")
    assert [setting.shared for setting in models.settings(gpt) if setting.name == "window"] == [False]
    assert gpt(window=17).training.window == 17
    assert gpt.from_config({"window": 17}).config()["window"] == 17


def test_a_flat_config_makes_the_same_model():
    lstm = models.find("lstm")
    model = lstm(hidden=96, training=Training(batch=12))
    assert model.config()["hidden"] == 96
    assert model.config()["batch"] == 12
    assert "training" not in model.config()
    assert lstm.from_config(model.config()) == model
    assert models.make(lstm, {"batch": "12"}).training == replace(lstm.training, batch=12)


@pytest.mark.parametrize("name", models.names())
def test_an_outline_read_from_the_source_has_what_the_imported_class_has(name):
    outline, model = models.outline(name), models.find(name)
    assert outline is not model  # nothing was imported for it
    assert models.settings(outline) == models.settings(model)
    assert models.presets(outline) == models.presets(model)
    assert [inspect.getdoc(outline), outline.name, outline.paper] == [inspect.getdoc(model), model.name, model.paper]


def test_help_of_a_network_does_without_pytorch():
    code = "import sys; from lmzoo import models; models.settings(models.outline('lstm')); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numba", "scipy", "gensim"} & set(ast.literal_eval(done.stdout))


def test_a_model_whose_source_cannot_be_read_alone_is_imported(monkeypatch):
    def refuse(module):
        raise LookupError(module)

    monkeypatch.setattr(models, "_parse_module", refuse)
    assert models.outline("uniform") is models.find("uniform")


def test_the_outline_of_a_file_of_ones_own_is_the_class(mine):
    path = write(mine, "x: int = 1  # how many")
    assert models.outline(path) is models.find(path)


def test_an_outline_of_no_model_is_an_error_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"no model named 'lstn'.*did you mean lstm"):
        models.outline("lstn")
