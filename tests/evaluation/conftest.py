import pytest
import torch

from pyg_video import Regions
from pyg_video.backbones import SmallCNN
from pyg_video.functional import tent_kernel
from pyg_video.graph_builders import GraphBuilder
from pyg_video.layers import RSTG, GraphBlock, SpaceConv, TemporalRNN
from pyg_video.models import PoolHead, VideoClassifier
from pyg_video.training.loading import Trained


class Brightest(GraphBuilder):
    """One node, on the brightest pixel of the map."""

    def __init__(self, channels):
        super().__init__(channels, num_nodes=1)

    def regions(self, x):
        H, W = x.shape[-2:]
        place = x.mean(2).flatten(2).argmax(-1)
        centre = torch.stack([(place % W + 0.5) / W, (place // W + 0.5) / H], dim=-1)
        box = torch.cat([centre, torch.full_like(centre, 0.25)], dim=-1)[:, :, None]
        return Regions(box, tent_kernel(box, (H, W)))


@pytest.fixture
def looking():
    """A trained model of colour frames whose only region lies on the brightest spot."""

    def make(size=56):
        backbone = SmallCNN(3, (4,), (4,))
        with torch.no_grad():
            for parameter in backbone.parameters():
                if parameter.dim() > 1:
                    parameter.fill_(0.05)
        rstg = RSTG(SpaceConv(4), TemporalRNN(4), TemporalRNN(4), num_iterations=1)
        block = GraphBlock(4, Brightest(4), rstg)
        model = VideoClassifier(backbone, PoolHead(4, 3), blocks={backbone.info[0].name: block})
        return Trained(model.eval(), ("push", "pull", "lift"), size, 4)

    return make


@pytest.fixture
def spot_video(tmp_path):
    """Writes a video of a bright spot that moves over dark frames; ``aspect`` is that of a pixel."""
    from fractions import Fraction

    import av
    import numpy as np

    def write(name="spot.mp4", height=96, width=128, num_frames=16, rate=8, aspect=None):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=rate, options={"crf": "10"})
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
            if aspect:
                stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
            for k in range(num_frames):
                image = np.full((height, width, 3), 30, np.uint8)
                row, column = int(height * (0.3 + 0.3 * k / num_frames)), int(width * (0.35 + 0.2 * k / num_frames))
                image[row : row + height // 10, column : column + width // 12] = 255
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write
