"""Settings of Sphinx; `make docs` builds the pages."""

import shutil
import sys
from pathlib import Path

import pyg_video

HERE = Path(__file__).parent

project = "pyg_video"
author = "The authors of pyg_video"
release = pyg_video.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_nb"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"pyg_video {release}"
