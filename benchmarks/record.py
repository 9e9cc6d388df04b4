"""Where `--save` leaves the figures of a benchmark."""

import datetime
import json
from pathlib import Path
from typing import Any


def save(name: str, facts: dict[str, Any]) -> None:
    """Write results/DATE-NAME.json, and say so."""
    path = Path(__file__).parent / "results" / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}-{name}.json"
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"saved {path}")
