import pytest

from pyg_video._extras import need


def test_a_module_that_is_there_is_imported():
    import json.decoder

    assert need("json.decoder", "hub") is json.decoder


def test_a_missing_package_names_the_extra_and_the_line_that_installs_it():
    with pytest.raises(
        ModuleNotFoundError,
        match=r"Expected .* has 'no_such\.module' \(got none\); from a checkout: pip install \"\.\[hub\]\"",
    ):
        need("no_such.module", "hub")
