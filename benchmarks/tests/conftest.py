"""Lets the tests import what run.py imports: `harness`, and run.py's neighbours."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
