import gc
import os
import signal

import pytest
import typer
from hypothesis import settings

from tests import kernels

# Each worker of pytest-xdist has one core: on two cores, thread pools in every worker make it ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Some 150 processes import the package: without bytecode each of them would compile it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell's job in the background ignores Ctrl-C, and so would what the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline for a test, and in CI always the same examples, so that a failure can be reproduced.
settings.register_profile("lmzoo", deadline=None, max_examples=30, derandomize="CI" in os.environ)
settings.load_profile("lmzoo")


def pytest_configure(config):
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        kernels.compile_all()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """The user's cache is neither read nor written; the tests of all workers share one of their own."""
    before = os.environ.get("LMZOO_CACHE")
    os.environ["LMZOO_CACHE"] = str(tmp_path_factory.getbasetemp().parent / "lmzoo-cache")
    yield
    if before is None:
        del os.environ["LMZOO_CACHE"]
    else:
        os.environ["LMZOO_CACHE"] = before


@pytest.fixture(autouse=True)
def _named_pictures(request, monkeypatch):
    """Without the mark `pictures`, a picture of a report has its alternative text and the bytes of an empty one.

    Pictures take most of the time of a report.
    """
    if "pictures" in request.keywords:
        return
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from lmzoo.report import canvas, drawing

    def named(draw):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Figure, "draw_without_rendering", lambda _: None)  # nothing is measured
            patch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)
            drawn = draw(canvas.WIDE)
        return drawn and canvas.Picture(drawn[1], SVG, SVG, b"\x89PNG")

    monkeypatch.setattr(drawing, "picture", named)


@pytest.fixture(scope="module")
def few_questions():
    """Comparisons of this process ask each model little, of every kind; those of other processes ask all."""
    from lmzoo.analysis import calibration, context_length
    from lmzoo.tasks import grammar_probes, targeted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context_length, "STRETCHES", 30)
        patch.setattr(calibration, "POSITIONS", 200)
        patch.setattr(grammar_probes, "SIZES", dict(zip(grammar_probes.SIZES, (80, 40, 80), strict=True)))
        patch.setattr(targeted.questions, "__defaults__", ("", 40))  # items of each phenomenon
        patch.setattr(targeted.occurrences, "__defaults__", (400,))  # documents
        yield


@pytest.fixture
def little_patience(monkeypatch):
    """Checks of a model in this process ask it the same things less often, and about less English.

    How often does not depend on the clock: on a busy machine a fault of chance would not be found.
    """
    from lmzoo.testing import fitting, long_text

    monkeypatch.setattr(long_text, "PATIENCE", 10)
    monkeypatch.setattr(long_text, "ASKED", 5000)
    monkeypatch.setattr(fitting, "PROSE", 3000)
    monkeypatch.setattr(fitting, "HELD_OUT", 1000)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.fixture
def calling(capsys):
    """`calling(name=command, …)`: a function that calls commands as a shell does: (exit code, stdout, stderr).

    They are alone in an application of their own, or those of `app`. Where there is one, calls leave out its name.
    """
    from lmzoo.cli import console

    def of(app=None, /, **commands):
        app = app or typer.Typer(cls=console.Commands)
        for name, command in commands.items():
            app.command(name)(command)
        if len(commands) == 1:
            app.command("another")(lambda: None)  # beside none Typer would take the name for an argument
        first = list(commands) if len(commands) == 1 else []

        def call(*arguments):
            with pytest.raises(SystemExit) as exit_:
                console.run(app, [*first, *map(str, arguments)])
            return exit_.value.code, *capsys.readouterr()

        return call

    return of


@pytest.fixture(scope="session")
def two_processes():
    """A cluster of two worker processes, started once."""
    from lmzoo.cluster import connect

    with pytest.MonkeyPatch.context() as patch:
        # For half a minute Dask would go on calling a worker that was killed.
        patch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "8s")
        with connect("local:2") as workers:
            yield workers


# Files with tests of five seconds and more. They come first: at the end, one worker would wait while another runs them.
SLOW = (
    *("test_readme.py", "test_compare_again.py", "test_train.py", "test_benchmarks.py", "test_attacks.py"),
    *("test_two_hosts.py", "test_registry.py"),
    *("test_side_by_side.py", "test_on_cluster.py", "test_browser.py", "test_arrival.py", "test_packaging.py"),
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: SLOW.index(item.path.name) if item.path.name in SLOW else len(SLOW))
    if not os.environ.get("LMZOO_MIRROR"):
        skip = pytest.mark.skip(reason="LMZOO_MIRROR is not set: the public data sets are not here")
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(skip)


def pytest_collection_finish():
    # Millions of objects of PyTorch, scikit-learn and pytest live until the end: no garbage collection need visit them.
    gc.collect()
    gc.freeze()
