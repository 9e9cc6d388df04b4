"""`lmzoo models`: the models there are."""

from lmzoo.cli.app import command
from lmzoo.cli.console import show_json, show_table, show_wrapped
from lmzoo.cli.options import Json


@command("models", epilog="Example: lmzoo models")
def list_models(as_json: Json = False) -> None:
    """List the models, the oldest idea first."""
    from lmzoo import models

    facts = [models.about(name) for name in models.names()]
    if as_json:
        return show_json(facts)
    rows = [[fact["name"], str(fact["year"]), fact["paper"], fact["summary"]] for fact in facts]
    show_table(("model", "year", "paper", "in one line"), rows, numbers_from=4)
    show_wrapped("presets, such as gpt1 of gpt, ulmfit and dai-le of lstm: lmzoo train MODEL --help lists a model's")
    return None
