"""Films whose ticks are drawn once."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from liouville.plots._gif import _painter, film_sheet


@pytest.mark.parametrize("has_frame", [True, False])
def test_a_frame_is_what_a_whole_drawing_is(has_frame: bool):
    axes, strip = film_sheet(0.8)
    if not has_frame:
        axes.set_axis_off()
    rng = np.random.default_rng(0)
    image = axes.imshow(rng.random((9, 9)), aspect="auto")
    dots = axes.scatter(*rng.random((2, 30)), zorder=3)
    (hand,) = strip.plot([0.0], [0.0], "o", clip_on=False)
    strip.set(xlim=(0, 1))
    title = axes.set_title("", loc="left")
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    paint, frames = _painter(canvas), []

    def show(number: int) -> None:
        image.set_data(np.full((9, 9), 0.2 * number))
        dots.set_offsets(8.0 * np.random.default_rng(number).random((30, 2)))
        hand.set_xdata([0.3 * number])
        title.set_text(f"time {number}")

    for number in (1, 2):
        show(number)
        frames.append(np.asarray(paint()))
    for artist in axes.findobj() + strip.findobj():
        artist.set_animated(False)
    canvas.draw()
    whole = np.asarray(canvas.buffer_rgba())[..., :3]
    assert np.array_equal(frames[1], whole)
    assert not np.array_equal(frames[0], whole)
