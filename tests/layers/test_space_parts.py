import pytest
import torch

from pyg_video.layers import BatchNorm, DenseSpaceConv, DotAttention, FrameNorm, SpaceConv
from pyg_video.layers.space_parts import GroupwiseMLP

C = 8
STAGES = [SpaceConv, DenseSpaceConv]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"combine": "product"}, "Expected 'combine' to be one of 'concat', 'sum' .got 'product'"),
        ({"send_layers": 3}, "Expected 'send_layers' to be one of 1, 2"),
        ({"update_layers": -1}, "Expected 'update_layers' of at least 0"),
        ({"update_groups": ()}, "Expected 'update_groups' with at least one node of every kind"),
        ({"plain_gather": True, "gather_norm": FrameNorm(C)}, "Expected no 'gather_norm' with plain_gather=True"),
        ({"attention": "cosine"}, "Expected 'attention' to be one of 'dot', 'multi_head', 'additive', 'mean'"),
    ],
)
def test_unknown_options_answer_with_the_known_ones(stage, options, message):
    with pytest.raises(ValueError, match=message):
        stage(C, **options)


@pytest.mark.parametrize("stage", STAGES)
def test_a_constructor_leaves_given_parts_alone_and_a_reset_does_not(stage):
    parts = {"attention": DotAttention(C), "message_norm": FrameNorm(C), "update_norm": BatchNorm(C)}
    for part in parts.values():
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter)
    before = {
        f"{name}.{key}": value.clone() for name, part in parts.items() for key, value in part.state_dict().items()
    }
    layer = stage(C, **parts)
    assert all(torch.equal(layer.state_dict()[name], value) for name, value in before.items())
    layer.reset_parameters()
    assert layer.message_norm.weight.eq(1).all()
    assert not torch.equal(layer.attention.query.weight, before["attention.query.weight"])


def test_every_kind_of_nodes_has_weights_of_its_own():
    mlp = GroupwiseMLP(C, C, 2, (3, 2))
    x = torch.randn(4, 5, C)
    expected = torch.cat([mlp.kinds[0](x[:, :3]), mlp.kinds[1](x[:, 3:])], dim=1)
    torch.testing.assert_close(mlp(x), expected)
    torch.testing.assert_close(mlp(x.flatten(0, 1)), expected.flatten(0, 1))


def test_groups_must_fill_the_frame():
    with pytest.raises(ValueError, match=r"Expected frames of 5 nodes, the sum of update_groups = \[4, 1\]"):
        GroupwiseMLP(C, C, 2, (4, 1))(torch.randn(13, C))
