"""Frames in, texts out: the process that looks at what strangers hold up."""

import os

# Read when NumPy and OpenCV are loaded, which this comes before. The matrices here are so small
# that sharing one among threads takes ten times as long; and idle pools of threads cost memory.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(_name, "1")
