import pytest
import torch

from pyg_video.backbones import SmallCNN
from pyg_video.models import (
    ModelRecipe,
    PoolHead,
    VideoClassifier,
    cnn_sync_mnist,
    create_model,
    list_models,
    model_options,
    register_model,
    register_variant,
    registry,
)
from pyg_video.models.registry import _ENTRIES

TINY = {"num_classes": 4, "frame_size": 12, "channels": (4, 4), "strides": (2, 1)}


def test_the_named_models_of_the_package():
    assert {"cnn_sync_mnist", "dyreg_gnn_sync_mnist", "graph_sync_mnist", "rstg_sync_mnist"} <= set(list_models())


@pytest.mark.parametrize("name", ["cnn_sync_mnist", "dyreg_gnn_sync_mnist", "rstg_sync_mnist"])
def test_every_model_scores_clips(name):
    assert create_model(name, **TINY)(torch.rand(2, 3, 1, 12, 12)).shape == (2, 4)


@pytest.mark.parametrize("name", ["cnn_sync_mnist", "dyreg_gnn_sync_mnist", "rstg_sync_mnist"])
def test_the_recipe_makes_the_same_model_again(name):
    model = create_model(name, **TINY)
    assert model.recipe == ModelRecipe(name, model_options(name) | TINY)
    again = create_model(model.recipe.name, **model.recipe.options)
    assert again.state_dict().keys() == model.state_dict().keys()
    again.load_state_dict(model.state_dict())


def test_lists_count_as_tuples():
    model = create_model("cnn_sync_mnist", channels=[4, 4], strides=[2, 1])
    assert model.recipe.options["channels"] == (4, 4)


def test_an_empty_default_takes_any_items():
    assert create_model("dyreg_gnn_sync_mnist", **TINY, stages=["stage1"]).recipe.options["stages"] == ("stage1",)


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(
        ValueError,
        match=r"one of .*c2d_resnet50, cnn_sync_mnist, .*got 'rstg_sync_mnst'; did you mean 'rstg_sync_mnist'",
    ):
        create_model("rstg_sync_mnst")


def test_unknown_options_are_answered_with_the_models_options():
    with pytest.raises(ValueError, match=r"option of cnn_sync_mnist: num_classes, .*got 'num_class'; did you mean"):
        create_model("cnn_sync_mnist", num_class=3)


@pytest.mark.parametrize(
    "options",
    [{"frame_size": "64"}, {"frame_size": True}, {"frame_size": 64.0}, {"channels": 3}, {"strides": (1.5, 1, 1)}],
)
def test_options_of_another_type_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"Expected '{name}' of cnn_sync_mnist to be of the type of"):
        create_model("cnn_sync_mnist", **options)


def test_whole_numbers_are_fine_where_a_fraction_could_be():
    assert create_model("dyreg_gnn_sync_mnist", **TINY, gain=1).recipe.options["gain"] == 1


def test_options_without_default_are_refused():
    def no_default(width: int) -> VideoClassifier: ...

    with pytest.raises(ValueError, match=r"default for every option of no_default \(got 'width: int'"):
        register_model(no_default)


def test_a_name_is_given_once():
    def cnn_sync_mnist() -> VideoClassifier: ...

    with pytest.raises(ValueError, match="a new name for a model"):
        register_model(cnn_sync_mnist)
    assert _ENTRIES["cnn_sync_mnist"].__module__ == "pyg_video.models.digits"


def test_a_variant_is_its_family_with_other_defaults():
    try:
        small = register_variant("small_cnn", cnn_sync_mnist, **TINY)
        model = create_model("small_cnn", readout="last")
        assert model.recipe == ModelRecipe("small_cnn", model_options("cnn_sync_mnist") | TINY | {"readout": "last"})
        assert model_options("small_cnn")["channels"] == (4, 4)
        assert small(7).head.linear.out_features == 7
        assert small(num_classes=7, channels=(4, 6)).head.linear.in_features == 6
        assert (small.__name__, small.__module__) == ("small_cnn", __name__)
        assert small.__doc__.startswith(":func:`cnn_sync_mnist` with ``num_classes=4, ")
    finally:
        _ENTRIES.pop("small_cnn", None)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("small_cnn", {"chanels": (4, 4)}, "option of cnn_sync_mnist: .*got 'chanels'; did you mean 'channels'"),
        ("small_cnn", {"channels": 4}, "'channels' of cnn_sync_mnist to be of the type of"),
        ("rstg_sync_mnist", {}, r"a new name for a model \(got 'rstg_sync_mnist'"),
    ],
)
def test_impossible_variants_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        register_variant(name, cnn_sync_mnist, **options)


def test_the_head_decides_the_number_of_classes():
    head = create_model("cnn_sync_mnist", **TINY).head
    assert isinstance(head, PoolHead)
    assert head.linear.out_features == 4


@pytest.mark.parametrize("option", ["num_classes", "frame_size", "region_channels"])
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_below_one_are_refused(option, value):
    with pytest.raises(ValueError, match=f"Expected '{option}' of dyreg_gnn_sync_mnist of at least 1"):
        create_model("dyreg_gnn_sync_mnist", **{option: value})


def test_weights_of_a_foreign_model_are_an_option_like_any_other(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    asked = []

    @registry.register_model
    def with_weights(num_classes: int = 3, *, weights: str = "mine") -> VideoClassifier:
        asked.append(weights)
        return VideoClassifier(SmallCNN(1, (2,), (2,)), PoolHead(2, num_classes))

    with registry.fresh_weights({}):
        create_model("with_weights")
    assert asked == ["mine"]
