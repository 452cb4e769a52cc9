import torch

from pyg_video.data import Regions


def regions(mask=None):
    return Regions(torch.rand(1, 2, 3, 4), torch.rand(1, 2, 3, 5, 5), mask)


def test_regions_outside_of_a_mask_are_empty():
    whole, mask = regions(), torch.tensor([[[True, False, True], [False, True, True]]])
    box, kernel, found = whole.only(mask)
    assert found is mask
    assert torch.equal(box[mask], whole.box[mask])
    assert torch.equal(kernel[mask], whole.kernel[mask])
    assert not box[~mask].any()
    assert not kernel[~mask].any()


def test_what_was_missing_stays_missing():
    first, second = torch.tensor([True, True, False]).expand(1, 2, 3), torch.tensor([True, False, True]).expand(1, 2, 3)
    assert regions(first).only(second).mask[0, 0].tolist() == [True, False, False]


def test_a_missing_region_of_no_number_gets_no_gradient():
    box = torch.tensor([0.5, torch.nan]).repeat_interleave(4).view(1, 1, 2, 4).requires_grad_()
    Regions(box, torch.ones(1, 1, 2, 3, 3)).only(torch.tensor([[[True, False]]])).box.sum().backward()
    assert box.grad.flatten().tolist() == [1.0] * 4 + [0.0] * 4
