"""Lets the tests import what run.py imports, `harness` and run.py's neighbours, and what stands beside them."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
