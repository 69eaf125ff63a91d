"""Writes the pictures that libcamera's virtual camera shows: ``frames.py TEXT`` is a printed pass."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from gated.simulation.screens import render_paper

FOLDER = Path("/opt/bench/frames")
PICTURES = 4
"""With noise of their own: a camera never gives the same frame twice."""

FOLDER.mkdir(exist_ok=True)
large = render_paper(sys.argv[1], 0)[:, 160:-160]
small = cv2.resize(large, (640, 480), interpolation=cv2.INTER_AREA).astype(np.int16)
for seed in range(PICTURES):
    noise = np.random.default_rng(seed).integers(-6, 7, small.shape, np.int16)
    cv2.imwrite(str(FOLDER / f"{seed}.jpg"), (small + noise).clip(0, 255).astype(np.uint8))
