import copy
import pickle

import torch

from pyg_video.data import VideoGraph


def test_the_layout_stays_what_it_is_in_every_copy():
    graph = VideoGraph(torch.zeros(12, 2), torch.empty(2, 0, dtype=torch.long), layout=(2, 3))
    for other in (copy.copy(graph), copy.deepcopy(graph), pickle.loads(pickle.dumps(graph)), graph.to("cpu")):
        assert other.layout == (2, 3)
        assert other.frames.shape == (2, 2, 3, 2)


def test_clips_of_one_layout_have_one():
    graph = VideoGraph(torch.zeros(12, 2), layout=((2, 3), (2, 3)))
    assert graph.layout == (2, 3)
    ragged = VideoGraph(torch.zeros(15, 2), layout=((2, 3), (3, 3)))
    assert ragged.layout == ((2, 3), (3, 3))
    assert ragged.is_ragged
