"""Pictures take most of the time of a report: tests that do not look at them have them named, but not rendered."""

import pytest
from matplotlib.figure import Figure

from lmzoo.report import canvas, drawing

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.fixture(scope="session")
def render_pictures():
    """What draws the pictures of a page, as it is."""
    return canvas.picture


@pytest.fixture(autouse=True)
def _named_pictures(request, render_pictures, monkeypatch):
    """Without the mark `pictures`, a picture of the page has its alternative text and the bytes of an empty one."""
    if "pictures" in request.keywords:
        return

    def named(draw):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Figure, "draw_without_rendering", lambda _: None)  # nothing is measured
            drawn = draw(canvas.WIDE)
        return drawn and canvas.Picture(drawn[1], SVG, SVG, b"\x89PNG")

    monkeypatch.setattr(drawing, "picture", named)
