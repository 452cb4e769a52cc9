import numpy as np
import torch

from pyg_video.graph_builders.segments import segment_regions


def test_labels_become_kernels_boxes_and_a_mask():
    seen = []

    def segment(frame):
        seen.append(frame)
        return np.array([[0, 0, 2, 2], [0, 0, 2, 2]])

    x = torch.randn(1, 2, 3, 2, 4)
    box, kernel, mask = segment_regions(x, segment, num_nodes=3)
    left, right = [0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0]
    torch.testing.assert_close(box[0, 1], torch.tensor([left, [0.0] * 4, right]))
    assert kernel[0, 0, 2].tolist() == [[0, 0, 1, 1]] * 2
    assert mask[0].tolist() == [[True, False, True]] * 2
    torch.testing.assert_close(torch.from_numpy(seen[1]).float(), x[0, 1].permute(1, 2, 0))


def test_the_type_of_half_precision_maps_is_float32():
    regions = segment_regions(torch.zeros(1, 1, 3, 2, 4).bfloat16(), lambda frame: np.zeros((2, 4), dtype=int), 2)
    assert regions.kernel.dtype == regions.box.dtype == torch.float32
