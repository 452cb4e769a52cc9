"""The benchmarks are scripts beside each other: make them importable. No test here measures time."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
