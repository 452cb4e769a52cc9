import pytest
import torch

from pyg_video.models import create_model


def test_boxes_make_the_nodes_of_three_stages():
    model = create_model("box_tsm_resnet50", num_classes=3, frame=64, residual_scale=1.0).eval()
    widths = {name: block.builder.channels for name, block in model.blocks.items()}
    assert widths == {"layer2": 128, "layer3": 256, "layer4": 256}
    video, box = torch.rand(1, 2, 3, 64, 64), torch.tensor([0.5, 0.5, 0.4, 0.4]).expand(1, 2, 2, 4).clone()
    scores = model(video, box=box)
    box[..., 0, 0] = 0.2
    assert not torch.allclose(model(video, box=box), scores)
    box[..., 1, :] = torch.nan  # a frame may have fewer
    assert model(video, box=box).isfinite().all()


def test_stages_without_a_place_are_refused():
    with pytest.raises(ValueError, match="Expected 'stages' out of 3, 4 and 5"):
        create_model("box_tsm_resnet50", stages=(2,))
