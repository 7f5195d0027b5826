"""Where the checkout is."""

import pathlib

TOP = pathlib.Path(__file__).resolve().parents[1]
