import pytest

from pyg_video._lazy import lazy_names


def test_names_are_imported_when_they_are_used_and_unknown_ones_are_refused():
    getter, names = lazy_names("pyg_video", {"VideoGraph": "data"})
    assert getter("VideoGraph").__name__ == "VideoGraph"
    assert names() == ["VideoGraph"]
    with pytest.raises(AttributeError, match="module 'pyg_video' has no attribute 'Nothing'"):
        getter("Nothing")
