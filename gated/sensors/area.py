"""Finds the face in a thermal picture, and the hottest small areas in it. Pure.

1. Left out: broken pixels, a reference plate, and whatever is hotter than skin can be (a cup, a
   lamp, the sun) with two pixels around it, where its edge mixes with what is beside it.
2. Skin is what lies within ``SKIN_SPAN_C`` of the warmest and above the middle between that and the
   coolest: hair, clothes, glasses and masks are colder. Its connected regions are looked at from
   the top down: a head is as wide as heads are, and 1¼ of its width below its top begins the neck.
   What is warmer than a face but none, such as a wall in the sun, is taken away, and what is left
   is looked at again.
3. The forehead is the upper third of a face, and only the upper two thirds are searched at all,
   because an open mouth is hotter than any skin.
4. The hottest small area is the block of 2 × 2 pixels with the highest mean. Its place is chosen in
   **another** picture than the one it is measured in, because the highest of many noisy means is
   too high: with a noise of 0.28 °C per pixel by 0.2 °C. The noise of the pictures before is not
   that of this one, so what stands at their hottest place is neither too high nor too low. They are
   smoothed first: else a pixel that always shows too much would always be the place.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

HOT_C = 42.0
"""No skin is hotter."""
HOT_MARGIN_PX = 2
SKIN_MIN_C = 29.0
"""The hottest area of a face that has just come in from 0 °C shows 31 °C (docs/drivers.md)."""
SKIN_SPAN_C = 2.5
"""Foreheads and cheeks differ by less; noses may be colder, and are left out."""
MIN_CONTRAST_C = 1.2
"""Three times what noise and pixel differences make of an even wall."""
LEVELS = 3
"""So many kinds of warm things are told apart, the face among them."""
WARMEST_PX = 6
COOLEST_SHARE = 0.1
MIN_REGION_PX = 6

FACE_HEIGHT = 1.25  # of its width, from the hairline to the chin
FOREHEAD_SHARE = 0.36  # of that height
SEARCHED_SHARE = 0.62  # of that height: the mouth begins at 0.7
TOP_SHARE = 0.35  # of its width: a strand of hair or a finger above it is narrower
MIN_WIDTH_DEG, MAX_WIDTH_DEG = 9.0, 45.0  # an adult at 0.7 m, and one at 0.2 m
MIN_HEIGHT = 0.3  # of its width: with a mask, forehead and eyes are all that is seen
MIN_FILL = 0.5  # of the searched part: glasses take a third of it
MAX_LEAN = 0.14  # of its width: so far may the middle of the skin be off the middle
RIVAL_SHARE = 0.35  # of its skin: what shows as much beside it may be nearer
HOT_NEAR_PX = 2
MIN_AREA_PX = 3  # of four


class Problem(enum.StrEnum):
    """Why what is found must not be measured."""

    NOBODY = "nobody"
    TOO_SMALL = "too small"  # far away, or not a head
    CUT_OFF = "cut off by the edge"
    TOO_LOW = "reaches below the picture"
    NOT_A_HEAD = "not shaped like a head"
    TWO_FACES = "two faces"  # or a face and a hand
    HOT_BESIDE = "something hot beside it"
    JUST_COME = "just come"  # not there yet in the picture before


OF_NO_WEIGHT = frozenset({Problem.TOO_SMALL, Problem.CUT_OFF})
"""What has one of these is passed over for a whole face."""


@dataclass(frozen=True, slots=True)
class PixelSize:
    """How far apart the directions of neighbouring pixels are."""

    row_deg: float
    column_deg: float


@dataclass(frozen=True, slots=True)
class Box:
    """Rows and columns of a picture, the ends not included."""

    top: int
    left: int
    bottom: int
    right: int

    def overlap(self, other: Box) -> float:
        """Return what both share, as a part of what either covers."""
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        width = min(self.right, other.right) - max(self.left, other.left)
        shared = max(height, 0) * max(width, 0)
        return shared / (self._area + other._area - shared)

    def shares_columns(self, other: Box) -> bool:
        """Return whether one is, at least partly, above the other."""
        return min(self.right, other.right) > max(self.left, other.left)

    @property
    def _area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)


@dataclass(frozen=True, slots=True)
class FaceArea:
    """What a picture shows of a face."""

    object_c: float  # the hottest small area of forehead and eyes; of nobody: the background
    forehead_c: float | None
    background_c: float
    box: Box | None
    problems: frozenset[Problem]

    @property
    def is_clear(self) -> bool:
        return not self.problems

    def with_problem(self, problem: Problem) -> FaceArea:
        """Return the same with one more ``problem``."""
        return replace(self, problems=self.problems | {problem})


@dataclass(frozen=True, slots=True)
class _Face:
    """A region of skin, from its top down to where a chin would be."""

    box: Box
    skin: Mask  # of the whole picture, the region's own and what else lies in its box
    searched_bottom: int
    forehead_bottom: int
    skin_px: int
    problems: frozenset[Problem]


def find_face(
    picture_c: Picture,
    pixel: PixelSize,
    *,
    chosen_in_c: Picture | None = None,
    left_out: Mask | None = None,
) -> FaceArea:
    """Return the face in ``picture_c``, or the background where there is none.

    Args:
        picture_c: rows × columns, NaN where a pixel is broken.
        pixel: how wide a pixel looks.
        chosen_in_c: an earlier picture, smoothed here, in which the hottest places are chosen;
            None: this one, which makes the areas read a little too hot.
        left_out: what must not be looked at.
    """
    seen = np.isfinite(picture_c)
    background_c = float(np.median(picture_c[seen])) if seen.any() else float("nan")
    if left_out is not None:
        seen &= ~left_out
    hot = seen & (picture_c > HOT_C)
    usable = seen & ~grown(hot, HOT_MARGIN_PX) if hot.any() else seen
    smooth_c = smoothed(picture_c, usable)
    candidates = list(_candidates(smooth_c, usable, pixel))
    whole = sorted(
        (face for face in candidates if not face.problems & OF_NO_WEIGHT),
        key=lambda face: -face.skin_px,
    )
    # Without a whole one, what is warmest is told of: somebody far away, or half of a face.
    face = next(iter(whole or candidates), None)
    if face is not None:
        chosen_c = smooth_c if chosen_in_c is None else smoothed(chosen_in_c, usable)
        searched = _rows(face.skin & usable, face.box.top, face.searched_bottom)
        object_c = hottest_c(picture_c, searched, chosen_c)
        if object_c is not None:
            problems = set(face.problems)
            if any(rival.skin_px >= RIVAL_SHARE * face.skin_px for rival in whole[1:]):
                problems.add(Problem.TWO_FACES)
            if _is_near(face.box, hot):
                problems.add(Problem.HOT_BESIDE)
            forehead = _rows(searched, face.box.top, face.forehead_bottom)
            forehead_c = hottest_c(picture_c, forehead, chosen_c)
            return FaceArea(object_c, forehead_c, background_c, face.box, frozenset(problems))
    return FaceArea(background_c, None, background_c, None, frozenset({Problem.NOBODY}))


def hottest_c(picture_c: Picture, allowed: Mask, chosen_in_c: Picture) -> float | None:
    """Return the mean in °C of the block of 2 × 2 ``allowed`` pixels hottest in ``chosen_in_c``.

    A block may lack one pixel, broken or not allowed. None: no such block exists.
    """
    counted = allowed & np.isfinite(picture_c) & np.isfinite(chosen_in_c)
    pixels = _blocks(counted.astype(np.float64))
    is_block = pixels >= MIN_AREA_PX
    if not is_block.any():
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        chosen = _blocks(np.where(counted, chosen_in_c, 0.0)) / pixels
    row, column = np.unravel_index(
        int(np.argmax(np.where(is_block, chosen, -np.inf))), chosen.shape
    )
    block = (slice(row, row + 2), slice(column, column + 2))
    return float(picture_c[block][counted[block]].mean())


def smoothed(picture_c: Picture, usable: Mask) -> Picture:
    """Return the means of 3 × 3 usable pixels, NaN where there is none."""
    values = _neighbours(np.where(usable, picture_c, 0.0))
    counts = _neighbours(usable.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(values / counts)


def grown(mask: Mask, by_px: int) -> Mask:
    """Return ``mask`` and whatever is within ``by_px`` of it, diagonally too."""
    for _ in range(by_px):
        lines = mask.copy()
        lines[1:] |= mask[:-1]
        lines[:-1] |= mask[1:]
        mask = lines.copy()
        mask[:, 1:] |= lines[:, :-1]
        mask[:, :-1] |= lines[:, 1:]
    return mask


def regions(mask: Mask) -> Iterator[Mask]:
    """Yield the connected regions of ``mask`` that are large enough to say anything."""
    left = mask.copy()
    while left.any():
        seed = np.zeros_like(left)
        seed.flat[int(np.argmax(left))] = True
        size = 0
        while (count := int(np.count_nonzero(seed))) > size:
            size = count
            seed = grown(seed, 1) & left
        left &= ~seed
        if size >= MIN_REGION_PX:
            yield seed


def _skin(smooth_c: Picture, usable: Mask) -> Mask | None:
    """Return where it is as warm as skin beside what is not; None: nowhere."""
    values = smooth_c[usable & (smooth_c < HOT_C)]
    if values.size < WARMEST_PX:
        return None
    low, high = int(COOLEST_SHARE * values.size), values.size - WARMEST_PX
    parted = np.partition(values, (low, high))
    coolest_c, warmest_c = float(parted[low]), float(parted[high])
    if warmest_c < SKIN_MIN_C or warmest_c - coolest_c < MIN_CONTRAST_C:
        return None
    limit_c = max(warmest_c - SKIN_SPAN_C, (warmest_c + coolest_c) / 2)
    with np.errstate(invalid="ignore"):
        return usable & (smooth_c > limit_c)


def _candidates(smooth_c: Picture, usable: Mask, pixel: PixelSize) -> Iterator[_Face]:
    """Yield what might be a face, the warmest first, each level of warmth after the one above it.

    What is warmer than a face and no face, such as a wall in the sun, would set the limit of what
    counts as skin: it is taken away, and what is left is looked at again.
    """
    heads: list[Box] = []
    for _ in range(LEVELS):
        skin = _skin(smooth_c, usable)
        if skin is None:
            return
        found = [_face(region, skin, pixel) for region in regions(skin)]
        for face in sorted(found, key=lambda each: -each.skin_px):
            # Hair, neck and clothes are above and below a head, and on a warm day nearly as warm.
            if any(face.box.shares_columns(head) for head in heads):
                continue
            yield face
            if not face.problems:
                heads.append(face.box)
        usable = usable & ~grown(skin, HOT_MARGIN_PX)


def _face(region: Mask, skin: Mask, pixel: PixelSize) -> _Face:
    """Return the part of ``region`` that would be a face: as high as its width allows."""
    rows = np.flatnonzero(region.any(axis=1))
    firsts = region[rows].argmax(axis=1)
    ends = region.shape[1] - region[rows, ::-1].argmax(axis=1)
    width_px = 0
    for row, first, end in zip(rows.tolist(), firsts.tolist(), ends.tolist(), strict=True):
        width_deg = max(width_px * pixel.column_deg, MIN_WIDTH_DEG)
        if (row - rows[0]) * pixel.row_deg >= FACE_HEIGHT * width_deg:
            break
        width_px = max(width_px, end - first)
    top = int(rows[np.argmax(ends - firsts >= TOP_SHARE * width_px)])
    height_px = FACE_HEIGHT * width_px * pixel.column_deg / pixel.row_deg
    within = (rows >= top) & (rows < top + height_px)
    left, right = int(firsts[within].min()), int(ends[within].max())
    own = np.zeros_like(skin)
    inside = (slice(top, top + round(height_px)), slice(left, right))
    own[inside] = skin[inside]  # below glasses the face goes on as a region of its own
    bottom = int(np.flatnonzero(own.any(axis=1))[-1]) + 1
    box = Box(top, left, bottom, right)
    searched_bottom = top + max(2, round(SEARCHED_SHARE * height_px))
    return _Face(
        box=box,
        skin=own,
        searched_bottom=searched_bottom,
        forehead_bottom=top + max(2, round(FOREHEAD_SHARE * height_px)),
        skin_px=int(np.count_nonzero(own)),
        problems=frozenset(_problems(own, box, searched_bottom, pixel)),
    )


def _problems(skin: Mask, box: Box, searched_bottom: int, pixel: PixelSize) -> Iterator[Problem]:
    rows, columns = skin.shape
    width_deg = (box.right - box.left) * pixel.column_deg
    height_deg = (box.bottom - box.top) * pixel.row_deg
    if width_deg < MIN_WIDTH_DEG:
        yield Problem.TOO_SMALL
    if box.top == 0 or box.left == 0 or box.right == columns:
        yield Problem.CUT_OFF
    if searched_bottom > rows:
        yield Problem.TOO_LOW
    zone = skin[box.top : min(searched_bottom, box.bottom), box.left : box.right]
    middle = float(np.mean(np.nonzero(zone)[1])) + 0.5
    if (
        width_deg > MAX_WIDTH_DEG
        or height_deg < MIN_HEIGHT * width_deg
        or zone.mean() < MIN_FILL
        or abs(middle / zone.shape[1] - 0.5) > MAX_LEAN
    ):
        yield Problem.NOT_A_HEAD


def _is_near(box: Box, hot: Mask) -> bool:
    near = grown(hot, HOT_NEAR_PX + HOT_MARGIN_PX)
    return bool(near[box.top : box.bottom, box.left : box.right].any())


def _rows(mask: Mask, top: int, bottom: int) -> Mask:
    kept = np.zeros_like(mask)
    kept[top:bottom] = mask[top:bottom]
    return kept


def _blocks(values: Picture) -> Picture:
    """Return the sums of 2 × 2."""
    return np.asarray(values[:-1, :-1] + values[1:, :-1] + values[:-1, 1:] + values[1:, 1:])


def _neighbours(values: Picture) -> Picture:
    """Return the sums of 3 × 3, with nothing beyond the edges."""
    lines = values.copy()
    lines[1:] += values[:-1]
    lines[:-1] += values[1:]
    sums = lines.copy()
    sums[:, 1:] += lines[:, :-1]
    sums[:, :-1] += lines[:, 1:]
    return sums
