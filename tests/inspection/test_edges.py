import torch

from pyg_video.inspection import on_edges
from pyg_video.models import create_model

TINY = {"num_classes": 4, "frame_size": 14, "channels": (4, 6), "strides": (2, 1), "region_channels": 8}


def test_a_model_on_edges_gives_the_same_scores_and_is_a_copy():
    model, video = (
        create_model("dyreg_gnn_sync_mnist", **TINY, residual_scale=1.0).double(),
        torch.rand(2, 3, 1, 14, 14),
    )
    twin = on_edges(model)
    torch.testing.assert_close(twin(video.double()), model(video.double()))
    assert twin.state_dict().keys() == model.state_dict().keys()
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in model.parameters()}
