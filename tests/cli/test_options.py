"""A command's flags are the parameters of its function, and their help is the comment behind each."""

import pytest
import typer
from typer.testing import CliRunner

from lmzoo.cli.app import add_all_commands, app
from lmzoo.cli.options import Size, parse_budget, with_flags

one = typer.Typer()


@one.command(
    "feed",
)
@with_flags
def feed(
    animal: str,  # Who is fed.
    top_k: Size = 3,  # How many of them.
    # What they get, which
    # takes two lines. [default: fish]
    food: str | None = None,
    hungry: bool = True,  # Whether they want it.
    wild: bool = False,  # Whether they are wild.
    weight: float | None = None,  # In kilograms.
) -> None:
    """Feed them."""
    print(animal, top_k, food, hungry, wild, weight)


def call(*arguments: str):
    return CliRunner().invoke(one, arguments)


def declared():
    return {parameter.name: parameter for parameter in typer.main.get_command(one).params}


def test_comments_are_the_help():
    texts = {name: parameter.help for name, parameter in declared().items()}
    assert texts == {
        "animal": "Who is fed.",
        "top_k": "How many of them.",
        "food": "What they get, which takes two lines.",
        "hungry": "Whether they want it.",
        "wild": "Whether they are wild.",
        "weight": "In kilograms.",
        "install_completion": texts["install_completion"],
        "show_completion": texts["show_completion"],
    }


def test_a_default_can_be_told_in_words():
    assert declared()["food"].show_default == "fish"
    assert declared()["weight"].show_default is True


def test_only_what_is_true_by_default_can_be_negated():
    assert call("lion", "--no-hungry", "--wild").stdout == "lion 3 None False True None\n"
    assert call("lion", "--no-wild").exit_code == 2


def test_numbers_are_read_and_bounded():
    assert call("lion", "--top-k", "2", "--weight", "1.5").stdout == "lion 2 None True False 1.5\n"
    assert str(call("lion", "--top-k", "0").exception) == "--top-k must be 1 or more, not 0"
    assert str(call("lion", "--weight", "much").exception) == "--weight must be a number, not 'much'"


def test_without_the_source_there_are_the_same_flags(monkeypatch):
    before = {parameter.name: parameter.opts + parameter.secondary_opts for parameter in declared().values()}
    monkeypatch.setattr("linecache.getlines", lambda *_: [])
    bare = typer.Typer()

    @bare.command()
    @with_flags
    def feed(
        animal: str,
        top_k: Size = 3,
        food: str | None = None,
        hungry: bool = True,
        wild: bool = False,
        weight: float | None = None,
    ) -> None: ...

    after = {p.name: p.opts + p.secondary_opts for p in typer.main.get_command(bare).params}
    assert after == before


def test_every_flag_of_every_command_has_help():
    add_all_commands()
    commands = typer.main.get_command(app).commands
    silent = [f"{name} {p.name}" for name, one in commands.items() for p in one.params if not getattr(p, "help", "")]
    assert len(commands) > 20
    assert not silent


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        (None, {}),
        ("90s", {"seconds": 90.0}),
        ("1.5h", {"seconds": 5400.0}),
        ("2000steps", {"steps": 2000}),
        ("5Mtokens", {"tokens": 5e6}),
        ("1e15flops", {"flops": 1e15}),
        ("3Mtokens,60s", {"tokens": 3e6, "seconds": 60.0}),
        ("2 m, 500 ktokens", {"tokens": 5e5, "seconds": 120.0}),
    ],
)
def test_a_budget_is_one_limit_or_several(text, budget):
    assert parse_budget(text) == budget
