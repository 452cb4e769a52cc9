import torch
from torch import nn

from pyg_video.graph_builders import ConnectInTime, GridGraph
from pyg_video.inspection import capture_graphs, model_regions
from pyg_video.layers import RSTG, SpaceConv, SpaceTimeConv, TemporalRNN
from pyg_video.models import create_model

TINY = {"num_classes": 4, "frame_size": 14, "channels": (4, 6), "strides": (2, 1), "region_channels": 8}


def test_regions_and_attention_of_every_block():
    model = create_model("dyreg_gnn_sync_mnist", **TINY, gain=1.0, stages=("stage1", "stage2"), num_iterations=2).eval()
    video = torch.rand(2, 3, 1, 14, 14)
    want = model(video)
    with capture_graphs(model) as graphs:
        torch.testing.assert_close(model(video), want)
    blocks = model_regions(model, video)
    assert list(blocks) == ["blocks.stage1.builder", "blocks.stage2.builder"]
    for name, block in blocks.items():
        torch.testing.assert_close(block.box, graphs[name].grid(graphs[name].box))
        assert [alpha.shape for alpha in block.attention] == [(2, 3, 9, 9, 1)] * 2
        for alpha in block.attention:
            torch.testing.assert_close(alpha.sum(dim=3), torch.ones(2, 3, 9, 1))  # over the senders
    assert blocks["blocks.stage1.builder"].attention[0].requires_grad


def test_attention_is_zero_where_there_is_no_edge():
    net = nn.Sequential(GridGraph(4, scales=(2, 1)), RSTG(SpaceConv(4, attention="mean"), nn.Identity(), nn.Identity()))
    edges = net[0].frame_edges
    alpha = model_regions(net, torch.rand(2, 2, 4, 3, 3))["0"].attention[0][1, 1, :, :, 0]
    want = torch.zeros(5, 5)
    want[edges[1], edges[0]] = 1
    torch.testing.assert_close(alpha, want / want.sum(1, keepdim=True))


def test_blocks_that_run_again_are_described_by_their_last_call():
    def block(scale):
        return nn.Sequential(
            GridGraph(4, scales=(scale,)), RSTG(SpaceConv(4), TemporalRNN(4), TemporalRNN(4), num_iterations=1)
        )

    class Again(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = block(2), block(1)

        def forward(self, x):
            return self.one(x), self.other(x), self.one(x[:, :1])

    regions = model_regions(Again(), torch.rand(1, 2, 4, 3, 3))
    shapes = {name: [alpha.shape for alpha in block.attention] for name, block in regions.items()}
    assert shapes == {"one.0": [(1, 1, 4, 4, 1)], "other.0": [(1, 2, 1, 1, 1)]}
    assert regions["one.0"].box.shape == (1, 1, 4, 4)


def test_attention_between_frames_is_left_out():
    conv = SpaceTimeConv(SpaceConv(4, attention="mean"), connect=ConnectInTime("complete"))
    alpha = model_regions(nn.Sequential(GridGraph(4, scales=(2,)), conv), torch.rand(2, 3, 4, 3, 3))["0"].attention[0]
    sums = alpha.sum(dim=(3, 4))  # two neighbours in the frame, and four nodes in the frame before
    torch.testing.assert_close(sums, torch.tensor([1.0, 1 / 3, 1 / 3])[:, None].expand_as(sums))
