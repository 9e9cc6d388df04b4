"""What the tests of all assignments share: hand-ins graded in this process, over inputs that are drawn once."""

import ast
import inspect
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

from lmzoo.course import assignments, grading, remote, worker

SECRET = b"a secret of the tests alone"
HERE = Path(__file__).parent


KNOWN = {}  # answers, by the question and the code that answers it


def asked_here(name, contents, question, cpu, level):
    """`remote.ask` without a process, whose start is most of the time that it takes: the worker's own code.

    What has been asked of the same code before is known: a wrong hand-in is the right one in all but one function.
    """
    key = (id(question), code_of(contents.decode(), question.function))
    if key not in KNOWN:
        KNOWN[key] = question, _asked(name, contents, question)  # the question too, so that no other has its id
    return remote.Answers(KNOWN[key][1])


def code_of(source, function):
    """All of a file that the function can reach by names, and its imports."""
    top = {}
    for node in ast.parse(source).body:
        targets = [name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)]
        names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else targets or ["import"]
        for name in names:
            top.setdefault(name, []).append(node)
    todo, found = [function, "import"], {}
    while todo:
        name = todo.pop()
        if name not in found and name in top:
            found[name] = "\n".join(map(ast.dump, top[name]))
            todo += [one.id for node in top[name] for one in ast.walk(node) if isinstance(one, ast.Name)]
    return tuple(sorted(found.items()))


def _asked(name, contents, question):
    request = {
        "function": question.function,
        "provided": question.provided,
        "unchanged": question.unchanged,
        "given": [[worker.freeze(item) for item in given] for given in question.given],
    }
    cases = [[number, [worker.freeze(item) for item in arguments]] for number, arguments in question.cases]
    file = HERE / name
    values = []
    original = worker.open if hasattr(worker, "open") else open
    worker.open = lambda path, mode: _Contents(contents)
    try:
        for answer in worker.answers(str(file), json.loads(json.dumps(request)), map(json.dumps, cases)):
            answer = json.loads(json.dumps(answer))
            failed = "error" in answer
            values.append(remote.Fault(remote._said(answer["error"])) if failed else worker.thaw(answer["answer"]))
    finally:
        worker.open = original
    return values


class _Contents:
    def __init__(self, contents):
        self.read = lambda: contents

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class Graded:
    """An assignment whose inputs are drawn once, for one student, and serve every hand-in of its tests."""

    def __init__(self, number):
        self.assignment = assignments.find(number)
        name = self.assignment.name
        draws = self.assignment.checks(lambda check: grading.source(SECRET, "ada", f"{name}/{check}"))
        self.drawn = {check: cache(draw) for check, draw in draws.items()}
        self.starter = (assignments.FOLDER / name / "starter.py").read_text("utf-8")
        self.reference = (HERE / name.partition("-")[2] / "reference.py").read_text("utf-8")

    def module(self, check):
        """The names of the assignment's module."""
        return inspect.getclosurevars(self.drawn[check].__wrapped__).nonlocals["draw"].__globals__

    def set(self, check, **settings):
        """Smaller sizes than are graded, say: of what is drawn for that check."""
        self.module(check).update(settings)

    def only(self, *names):
        """Grade with these checks alone."""
        parts = [part for part in self.assignment.rubric.check if part.name in names]
        self.assignment = replace(self.assignment, rubric=replace(self.assignment.rubric, check=parts))
        self.drawn = {name: draw for name, draw in self.drawn.items() if name in names}

    def grade(self, folder, code, monkeypatch, in_process=True):
        """The result of a hand-in with this code."""
        (folder / self.assignment.rubric.file).write_text(code, "utf-8")
        monkeypatch.setattr(assignments.Assignment, "checks", lambda one, source: self.drawn)
        if in_process:
            monkeypatch.setattr(remote, "ask", asked_here)
        return grading.grade(folder, self.assignment, SECRET, "ada", 0)

    def wrong(self, right, wrong):
        """The reference with a mistake in place of what is right."""
        assert self.reference.count(right) == 1, right
        return self.reference.replace(right, wrong)


def lost(result):
    """The points that each check took."""
    return {check.name: round(check.of - check.points, 2) for check in result.checks if check.points < check.of}
