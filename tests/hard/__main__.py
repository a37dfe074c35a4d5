"""Runs the hard test: `python -m tests.hard --seconds 600 --seed 1`."""

from __future__ import annotations

import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy comes: no fork may lose a thread

from .run import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
