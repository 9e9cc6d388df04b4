"""What `smoothing.py` found, in sentences computed from its rows: nothing here is written by hand."""

from collections.abc import Iterable
from typing import Any

from smoothing_figures import COUNTS_ONLY, NAMES, Results, headline, per

Row = dict[str, Any]


def findings(results: Results) -> list[str]:
    """Which smoothing wins where, by how much, and whether the longest n-grams still help."""
    rows = {(row["smoothing"], row["order"]): row for row in results["rows"] if row["test"]}
    chosen = rows[results["chosen"]["smoothing"], results["chosen"]["order"]]
    key, unit, places = headline(results)
    name, bits = NAMES[chosen["smoothing"]], per(results)
    said = (
        f"The validation text chooses {name} at order {chosen['order']}: **{chosen['test'][key]:.{places}f} {unit}** "
    )
    said += f"on the test text{_between(headline_interval(results, chosen), places)}"
    if chosen["smoothing"] != results["baseline"] and chosen["minus_baseline"]:
        said += f", {distance(chosen['minus_baseline'], bits)} less than {NAMES[results['baseline']]}"
    return [f"{said}.", *_winners(results, rows), *_lengths(results, rows, chosen["smoothing"])]


def headline_interval(results: Results, row: Row) -> list[float] | None:
    """The interval of the figure that the report is about."""
    if headline(results)[0] == "bits_per_character":
        return row["test"]["interval_per_character"]
    return [2**bits for bits in row["test"]["interval"]] if row["test"]["interval"] else None


def _winners(results: Results, rows: dict[tuple[str, int], Row]) -> list[str]:
    """Who needs the fewest bits at which orders, and how far the next best is."""
    wins: dict[str, dict[int, Row]] = {}
    alike = []
    for order in results["orders"]:
        ranked = sorted((row for row in rows.values() if row["order"] == order), key=lambda row: row["test"]["bits"])
        if len(ranked) > 1 and effect(ranked[1]["minus_best"]) == "harms" and margin(ranked[1]) >= 0.0005:
            wins.setdefault(ranked[0]["smoothing"], {})[order] = ranked[1]
        elif len(ranked) > 1:
            alike.append(f"{order} ({NAMES[ranked[0]['smoothing']]}, {NAMES[ranked[1]['smoothing']]})")
    said = [_win(name, seconds, per(results)) for name, seconds in wins.items()]
    return said + ([f"The test text cannot tell the best two apart at order {'; '.join(alike)}."] if alike else [])


def margin(row: Row) -> float:
    """How many bits more than the best of its order."""
    return float(row["minus_best"]["delta"])


def _win(name: str, seconds: dict[int, Row], unit: str) -> str:
    """One sentence of a winner and the next best of each order."""
    runners_up: dict[str, list[int]] = {}
    for order, row in seconds.items():
        runners_up.setdefault(NAMES[row["smoothing"]], []).append(order)
    behind = " and ".join(f"{who} (order {_runs(at)})" for who, at in runners_up.items())
    widest = max(seconds, key=lambda order: margin(seconds[order]))
    return (
        f"On the test text {NAMES[name]} needs the fewest bits at order {_runs(list(seconds))}, before {behind}, "
        f"the most at order {widest}: {distance(seconds[widest]['minus_best'], unit)}."
    )


def _runs(orders: list[int]) -> str:
    """[2, 3, 4] → '2 to 4', [3, 6, 7] → '3, 6, 7'."""
    whole = len(orders) > 2 and orders == list(range(orders[0], orders[-1] + 1))
    return f"{orders[0]} to {orders[-1]}" if whole else ", ".join(map(str, orders))


def _lengths(results: Results, rows: dict[tuple[str, int], Row], chosen: str) -> list[str]:
    """What the longest order adds to the one before: for the chosen smoothing, and for the others."""
    last = results["orders"][-1]
    steps = {
        name: row["minus_shorter"] for (name, order), row in rows.items() if order == last and row["minus_shorter"]
    }
    said = []
    if step := steps.pop(chosen, None):
        said.append(f"Order {last} instead of {last - 1} {effect(step)} it: {distance(step, per(results))}.")
    kinds: dict[str, list[str]] = {"helps": [], "does nothing measurable for": [], "harms": []}
    for name, step in steps.items():
        if name not in COUNTS_ONLY:
            kinds[effect(step)].append(NAMES[name])
    told = [f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names]
    return said + ([f"Of the others it {'; it '.join(told)}."] if told else [])


def effect(step: Row) -> str:
    """Whether a difference in bits is told from zero by this text."""
    low, high = step["interval"] or (-1, 1)
    return "helps" if high < 0 else "harms" if low > 0 else "does nothing measurable for"


def distance(difference: Row, unit: str) -> str:
    """'0.023 bits per token (95 % interval 0.021 to 0.026)'."""
    size, bounds = abs(difference["delta"]), difference["interval"]
    places = 3 if size >= 0.01 else 4
    if bounds and bounds[0] < 0 < bounds[1]:
        return f"{size:.{places}f} {unit}, with an interval that contains zero"
    return f"{size:.{places}f} {unit}{_between(sorted(map(abs, bounds)), places)}"


def _between(interval: Iterable[float] | None, places: int) -> str:
    return " (95 % interval {:.{p}f} to {:.{p}f})".format(*interval, p=places) if interval else ""
