"""Settings of Sphinx; ``make docs`` builds the pages, without a network."""

from pathlib import Path

import pyg_video
from pyg_video import metrics, training

_HERE = Path(__file__).parent

# Sphinx wants the notebooks among the pages. They are shown with the outputs that they were saved with.
_notebooks = _HERE / "_notebooks"
_notebooks.mkdir(exist_ok=True)
for _notebook in sorted((_HERE.parent / "examples").glob("*.ipynb")):
    (_notebooks / _notebook.name).write_text(_notebook.read_text().replace("](../docs/", "](../"))

# Names that load when they are first used: autodoc looks at what is there.
for _room in (metrics, training):
    vars(_room).update({_name: getattr(_room, _name) for _name in _room.__all__})

project = "pyg_video"
release = pyg_video.__version__
extensions = [f"sphinx.ext.{_name}" for _name in ("autodoc", "napoleon", "mathjax", "viewcode", "intersphinx")]
extensions.append("myst_nb")
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"pyg_video {release}"

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # torch's words about forward say nothing about ours
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_custom_sections = ["Shapes"]
napoleon_use_ivar = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"

# Where names of other projects lead. The inventories are lists by hand, since the pages are built without a network; a
# name that is not on a list is no link. Each line, in Sphinx's first version: name, kind (class, function, mod), page.
_sites = {
    "python": "https://docs.python.org/3/",
    "torch": "https://docs.pytorch.org/docs/stable/",
    "torch_geometric": "https://pytorch-geometric.readthedocs.io/en/latest/",
}
intersphinx_mapping = {_name: (_site, f"inventories/{_name}.txt") for _name, _site in _sites.items()}

nitpicky = True
nitpick_ignore_regex = [
    # Other people's names, by module or, where only type checkers import them, bare.
    (r"py:.*", r"(torch|torch_geometric|torchvision|torchmetrics|pytorch_lightning|numpy|PIL|networkx|matplotlib)\..*"),
    (r"py:.*", r"(collections|contextlib|datetime|fractions|functools|os|pathlib|types|typing)\..*"),
    (r"py:class", r"Axes|Figure|Path|Tensor|WeightsEnum"),
    # Names in signatures that packages keep to themselves.
    (r"py:class", r"Json|Option|pyg_video\.\w+(\.[a-z_]+)+\._?[A-Z]\w+"),
]
