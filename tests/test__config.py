import pytest

from pyg_video._config import merged_config


@pytest.fixture
def merged(tmp_path):
    def merge(*contents):
        paths = [tmp_path / f"{number}.yaml" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content)
        return merged_config(paths)

    return merge


def test_mappings_are_merged_at_every_depth_and_other_values_replaced(merged):
    base = "model: {model: a, model_options: {channels: [4, 4], builder: grid}}\nseed: 0"
    config = merged(base, "model: {model_options: {channels: [8], gain: 1e-3}}")
    assert config == {
        "model": {"model": "a", "model_options": {"channels": [8], "builder": "grid", "gain": 0.001}},
        "seed": 0,
    }


def test_options_of_another_class_are_dropped(merged):
    base = "data: {class_path: A, init_args: {a: 1}}"
    assert merged(base, "data: {class_path: B, init_args: {b: 2}}")["data"] == {
        "class_path": "B",
        "init_args": {"b": 2},
    }
    for same in ("data: {class_path: A, init_args: {b: 2}}", "data: {init_args: {b: 2}}"):
        assert merged(base, same)["data"] == {"class_path": "A", "init_args": {"a": 1, "b": 2}}


def test_what_is_no_configuration_is_refused(merged, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'config' to be a YAML file .*none.yaml"):
        merged_config([tmp_path / "none.yaml"])
    with pytest.raises(ValueError, match="'config' to be a YAML file"):
        merged("a: [")
    with pytest.raises(ValueError, match=r"options by name \(got .* with list"):
        merged("[1, 2]")
