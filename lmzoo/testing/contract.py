"""Which checks a model has by its abilities, and how they are run: always as many, whatever fails."""

import inspect
import io
import json
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from lmzoo.data import plain
from lmzoo.errors import NotFittedError
from lmzoo.interface import Classifier, Data, Encoder, LanguageModel, Model, Progress, Run
from lmzoo.testing import classifier, encoder, fitting, tampering
from lmzoo.testing.abilities import Ability, abilities, first_questions
from lmzoo.testing.practice import VOCAB_SIZE, Property, practice_examples, practice_text

PASSED, FAILED, COULD_NOT_RUN, NOT_REACHED = "passed", "failed", "could not run", "not reached"
UNFITTED = {"constructor_only_stores", "config_round_trips", "unfitted_says_so", "fit"}  # the checks up to `fit`
BRIEF = 10  # optimiser steps


@dataclass(frozen=True)
class Check:
    """The outcome of one check. `message` is empty where it passed, else says what is wrong and why it matters."""

    name: str
    ability: str  # the class of `lmzoo.interface` whose contract it belongs to
    outcome: str  # passed, failed, could not run (the model raised an error), not reached (it was not fitted)
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether the model keeps this part of the contract."""
        return self.outcome == PASSED


def properties(kind: type) -> dict[str, Property]:
    """The checks of a fitted model of this class, on whatever it was fitted."""
    return {check.__name__: check for _, check in _properties(kind)}


def check_names(kind: type) -> list[str]:
    """The names of the checks that `check_model` runs, in order: they depend on the abilities only."""
    return [check.__name__ for _, check, _ in checks_of(kind)]


def checks_of(kind: type) -> list[tuple[str, Callable[..., str], Callable[[], str]]]:
    """(ability, check, call) of each check of `check_model`, in order; a check's docstring says what it looks for."""
    return list(_Candidate(kind, {}, Run()).checks())


def check_model(
    make: Callable[..., Any], steps: int = 50, progress: Progress | None = None, **settings: Any
) -> list[Check]:
    """Run the contract over a model class with `settings` as in its config: one `Check` for each of `check_names`.

    `steps` is the budget of each fit of a model that trains by steps. Raises UsageError for a model without any
    ability; any other error that the model raises is the outcome of a check.
    """
    candidate = _Candidate(make, settings, Run(steps=steps, seconds=60))  # seconds: slow homework is graded too
    checks, outcomes = list(candidate.checks()), []
    with (progress or Progress()).task("checking", len(checks)) as task:
        for ability, check, call in checks:
            task.doing(check.__name__.replace("_", " "))
            outcomes.append(_run(candidate, ability, check.__name__, call))
            task.advance(1)
    return outcomes


def _properties(kind: type) -> Iterator[tuple[str, Property]]:
    """(ability, check)."""
    for ability in abilities(kind):
        for check in ability.properties:
            yield ability.kind.__name__, check
        if ability.kind is Encoder and issubclass(
            kind, LanguageModel
        ):  # what reads from left to right may not look ahead
            yield "Encoder", encoder.features_see_no_future


class EndedError(Exception):
    """The process of a model gives no more answers; `reached`: it was this question that it did not survive."""

    def __init__(self, message: str, reached: bool = True):
        super().__init__(message)
        self.reached = reached


class ModelError(Exception):
    """What a model raised in another process: the name of the error, its text, and the line of the model's file."""

    def __init__(self, name: str, text: str, line: int | None):
        super().__init__(text)
        self.name, self.line = name, line


def _run(candidate: "_Candidate", ability: str, name: str, call: Callable[[], str]) -> Check:
    if candidate.model is None and name not in UNFITTED:
        return Check(name, ability, NOT_REACHED, "there is no fitted model to check")
    try:
        with np.errstate(all="ignore"):  # a NaN that a model gives is a finding, not a warning
            message = call()
    except EndedError as error:
        return Check(name, ability, COULD_NOT_RUN if error.reached else NOT_REACHED, str(error))
    except (Exception, SystemExit) as error:  # a student's model may raise anything: that is a finding, not a crash
        return Check(name, ability, COULD_NOT_RUN, f"it {_raised(error)}{_line(candidate.kind, error)}")
    return Check(name, ability, FAILED if message else PASSED, message)


def _raised(error: BaseException) -> str:
    kind = error.name if isinstance(error, ModelError) else type(error).__name__
    return f"called sys.exit({error})" if kind == "SystemExit" else f"raised {kind}: {error}"


def _line(kind: type, error: BaseException) -> str:
    """' (line 12)', the last line of the model's own file that the error passed through; '' if it passed none."""
    if line := getattr(error, "line", None):  # of another process
        return f" (line {line})"
    try:
        file = inspect.getfile(kind)
    except TypeError:
        return ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" (line {lines[-1]})" if lines else ""


@dataclass
class _Candidate:
    """The model under test: how it is made and, after the check `fit`, a fitted one."""

    make: Callable[..., Any]
    settings: dict[str, Any]
    run: Run
    model: Any = None  # set by `fit`, whatever `fit` returned
    at_first: list[Any] | None = None  # its answers before any other question
    before: tampering.Snapshot = field(default_factory=tampering.snapshot, repr=False)

    @cached_property
    def kind(self) -> type:
        """Its class, for which a class itself need not be instantiated."""
        return self.make if isinstance(self.make, type) else type(self.new())

    def new(self) -> Any:
        """One that has learned nothing."""
        if isinstance(self.make, type) and issubclass(self.make, Model):
            return self.make.from_config(self.settings)  # settings of its training too
        return self.make(**self.settings)

    def checks(self) -> Iterator[tuple[str, Callable[..., str], Callable[[], str]]]:
        """(ability, check, how it is called), in the order in which they are run."""
        for own in (self.constructor_only_stores, self.config_round_trips, self.unfitted_says_so, self.fit):
            yield "Model", own, own
        if issubclass(self.kind, Classifier):
            yield "Classifier", self.fit_labels, self.fit_labels
        for ability, check in _properties(self.kind):
            yield ability, check, partial(self.of_fitted, check)
        for one in abilities(self.kind):
            name = one.kind.__name__
            for check in one.learned:
                yield name, check, partial(self.of_fitted, check)
            for check, *arguments in self.of_fits(one):
                yield name, check, partial(check, self.fit_another, *arguments)
        for own in (
            self.asking_changes_nothing,
            self.saves_and_loads,
            self.any_question_first,
            self.fit_starts_anew,
            self.same_seed,
            self.no_monkey_patching,
        ):
            yield "Model", own, own

    def of_fits(self, ability: Ability) -> Iterator[tuple[Any, ...]]:
        """The checks that fit models of their own, and what each needs besides the `fit` to do so."""
        if ability.kind is LanguageModel:
            yield (fitting.sums_to_one_on_english,)
        if ability.score:
            yield fitting.ids_above_255, ability.score
            yield fitting.validation_is_not_learned, ability.score
            yield fitting.refit_learns_once, ability.score, partial(self.answers, scored=True)
        if ability.kind is Classifier:
            yield classifier.class_without_examples, self.run

    def fit_another(self, data: Data) -> Any:
        """Another model, fitted on `data` as briefly as a network shows what it learns from."""
        return self.new().fit(data, self.brief)

    def of_fitted(self, check: Property) -> str:
        """The outcome of a check of the fitted model, whose answers are first noted for `asking_changes_nothing`."""
        if self.at_first is None:
            try:
                self.at_first = self.answers(self.model)
            except EndedError:
                raise
            except Exception:
                self.at_first = []  # the checks will say what is wrong
        return check(self.model)

    @property
    def brief(self) -> Run:
        """For the fits of checks that need several: a network shows in few steps what it learns from."""
        return replace(self.run, steps=min(self.run.steps or BRIEF, BRIEF))

    def no_monkey_patching(self) -> str:
        """The functions of Python, NumPy and lmzoo are not replaced by others."""
        ask = getattr(self.kind, "replaced", None)  # of a model in another process
        return tampering.complaint(ask() if ask else tampering.replaced(self.before))

    def constructor_only_stores(self) -> str:
        """The constructor stores its settings and does nothing else."""
        began = time.perf_counter()
        model = self.new()
        ask = getattr(type(model), "extra_attributes", None)  # of a model in another process
        extra = ask(model) if ask else set(vars(model)) - {field.name for field in fields(model)}
        if extra:
            return f"the constructor set {', '.join(sorted(extra))}: it must only store its settings; learn in fit"
        slow = time.perf_counter() - began > 1
        return "the constructor took over a second: it must only store its settings" if slow else ""

    def config_round_trips(self) -> str:
        """A model made from its config, as JSON gives it back, has the same config."""
        model = self.new()
        copy = type(model).from_config(json.loads(json.dumps(model.config())))
        same = copy.config() == model.config()
        return "" if same else "a model made from its own config, through JSON, is not the same model"

    def unfitted_says_so(self) -> str:
        """Used before `fit`, each ability raises NotFittedError."""
        for ability in abilities(self.kind):
            try:
                ability.first_use(self.new())
                instead = "it raised nothing"
            except NotFittedError:
                continue
            except EndedError:
                raise
            except (Exception, SystemExit) as error:  # any other error is the fault that is looked for
                instead = f"it {_raised(error)}"
            return (
                f"used as {ability.kind.__name__} before fit it must raise NotFittedError, but {instead}: keep what is "
                "learned in attributes ending in '_'"
            )
        return ""

    def fit(self) -> str:
        """`fit` returns the model and leaves the ids it is given as they are."""
        data = fitting.practice_data()
        original = [data.train.copy(), data.valid.copy()]
        model = self.new()
        config = model.config()
        fitted = model.fit(data, self.run)
        self.model = model
        if model.config() != config:
            return "fit changed its settings: what is chosen or learned goes into attributes that end in '_'"
        if fitted is not model:
            return "fit must return self, so that `Model().fit(…)` is a model"
        return "" if _equal([data.train, data.valid], original) else "fit changed the training ids it was given"

    def fit_labels(self) -> str:
        """`fit_labels` returns the model and leaves the labels it is given as they are."""
        examples = practice_examples(150)
        original = examples.labels.copy()
        model, self.model = self.model, None  # without labels there is no classifier to go on with
        fitted = model.fit_labels(examples, practice_examples(30, seed=1), self.run)
        self.model = model
        if fitted is not model:
            return "fit_labels must return self"
        return "" if np.array_equal(examples.labels, original) else "fit_labels changed the labels it was given"

    def saves_and_loads(self) -> str:
        """`restore(arrays())` is the same model."""
        return self.differs(self.loaded(), "arrays → restore lost something: it answers differently once loaded")

    def loaded(self) -> Any:
        """The fitted model, saved and loaded."""
        file = io.BytesIO()
        np.savez(file, **plain.to_arrays(self.model.arrays()))  # type: ignore[arg-type]
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return self.new().restore(plain.from_arrays(arrays))

    def any_question_first(self) -> str:
        """A model that was just loaded gives the same answers whichever method is called first."""
        for what, ask in first_questions(self.kind).items():
            if not _equal(ask(self.model), ask(self.loaded())):
                return (
                    f"called first on a model that was just loaded, {what} gives another answer than after other "
                    "methods (does one method prepare what another one needs?)"
                )
        return ""

    def fit_starts_anew(self) -> str:
        """A model that is fitted again forgets what it had learned before."""
        if issubclass(self.kind, Classifier):
            return ""
        once, again = self.new().fit(fitting.practice_data(), self.brief), self.new()
        again.fit(Data.of(practice_text(fitting.LEAST, seed=9), practice_text(100, seed=8), VOCAB_SIZE), self.brief)
        again.fit(fitting.practice_data(), self.brief)
        same = _equal(self.answers(once), self.answers(again))
        return "" if same else "fitted on one text and then on another, it is not as if fitted on the second"

    def same_seed(self) -> str:
        """Two fits with the same seed and as many steps give the same model."""
        again = self.new().fit(fitting.practice_data(), self.run)
        if issubclass(self.kind, Classifier):
            again.fit_labels(practice_examples(150), practice_examples(30, seed=1), self.run)
        return self.differs(again, "two fits with the same seed and as many steps gave different models")

    def asking_changes_nothing(self) -> str:
        """The model answers after all other checks as it did before them."""
        if not self.at_first or _equal(self.at_first, self.answers(self.model)):
            return ""
        return (
            "after the other checks' questions it answers differently than before them: predicting must not change "
            "what was learned (a cache, a counter, a table that grows)"
        )

    def differs(self, other: Any, message: str) -> str:
        """`message` if another model's answers differ from the fitted one's in any bit, else ""."""
        for ability in abilities(self.kind):
            if not _equal(ability.answers(self.model), ability.answers(other)):
                return f"{message} (as a {ability.kind.__name__})"
        return ""

    def answers(self, model: Any, scored: bool = False) -> list[Any]:
        """What a model says of some texts; with `scored`, only what `fit` alone enables it to say."""
        has = [ability for ability in abilities(self.kind) if ability.score or not scored]
        return [answer for ability in has for answer in ability.answers(model)]


def _equal(ours: list[Any], theirs: list[Any]) -> bool:
    """Whether two models' answers are the same in every bit."""
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(ours, theirs, strict=True))
