"""The views of one picture that decoders are shown."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from gated.scanner.picture import Pixels, darkest_channel, sharpen, shrink, to_grey
from gated.scanner.search import Search

FULL_LONG_SIDE_PX: Final = 1280
"""Half of it costs zxing 5 points of 100; more than it gains nothing."""
HALF_LONG_SIDE_PX: Final = 640


class Views:
    """The views of one picture, each made when it's first asked for."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels
        self._width = pixels.shape[1]

    @cached_property
    def _full(self) -> Pixels:
        return shrink(self._pixels, FULL_LONG_SIDE_PX)

    @cached_property
    def darkest(self) -> Pixels:
        return darkest_channel(self._full)

    @cached_property
    def grey(self) -> Pixels:
        return to_grey(self._full)

    @cached_property
    def half(self) -> Pixels:
        return shrink(self.darkest, HALF_LONG_SIDE_PX)

    @cached_property
    def half_sharp(self) -> Pixels:
        return sharpen(self.half)

    @cached_property
    def search(self) -> Search:
        return Search(self.darkest, self.grey)

    def scale_of(self, view: Pixels) -> float:
        """Return how much larger the picture is than ``view``."""
        return float(self._width / view.shape[1])
