import importlib.metadata
import re

import pyg_video
from pyg_video._version import __version__


def test_the_version_is_that_of_the_installed_package():
    assert __version__ == pyg_video.__version__ == importlib.metadata.version("pyg_video")
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", __version__)
