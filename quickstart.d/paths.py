"""Where the checkout is; its installer, mk/install.py, is imported from there."""

import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "mk"))
