import math

import pytest
import torch

from pyg_video.datasets import SyncMNIST
from pyg_video.metrics import BestBoxIoU, RegionCoverage, RegionMetric, RegionObjectDistance, TemporalConsistency

METRICS = {
    "distance to objects": lambda **kwargs: RegionObjectDistance(**kwargs),
    "distance of regions": lambda **kwargs: RegionObjectDistance("region", **kwargs),
    "distance both ways": lambda **kwargs: RegionObjectDistance("both", **kwargs),
    "covered area": lambda **kwargs: RegionCoverage(**kwargs),
    "covered centres": lambda **kwargs: RegionCoverage("center", **kwargs),
    "iou": lambda **kwargs: BestBoxIoU(**kwargs),
    "identity": lambda **kwargs: TemporalConsistency(**kwargs),
    "motion": lambda **kwargs: TemporalConsistency("motion", **kwargs),
}
every_metric = pytest.mark.parametrize("make", METRICS.values(), ids=METRICS)


@every_metric
def test_the_digits_own_boxes_agree_perfectly(make, score):
    clips = SyncMNIST(3, num_frames=3, canvas_size=40, frame_size=40, digit_size=14, max_step=4).batch(range(4))
    metric = make()
    assert score(metric, clips.box, clips.box) == pytest.approx(1.0 if metric.higher_is_better else 0.0, abs=1e-6)


@every_metric
def test_order_of_regions_and_objects_does_not_matter(make, boxes, score):
    box, objects = boxes(5), boxes(3, seed=1)
    box[:, :, 1] = box[:, :, 3]  # a tie, as at the published start, where all regions are at the centre
    box[:, 0, 2] = box[:, 0, 4]
    want = score(make(), box, objects)
    assert score(make(), box[:, :, [4, 0, 3, 2, 1]], objects[:, :, [2, 0, 1]]) == pytest.approx(want)


@every_metric
def test_batches_add_up_to_all_clips_at_once(make, boxes, score):
    box, objects, mask = boxes(5), boxes(3, seed=1), torch.rand(2, 3, 3) > 0.3
    metric = make()
    for clip in range(2):
        metric.update(box[clip, None], objects[clip, None], mask[clip, None])
    assert float(metric.compute()) == pytest.approx(score(make(), box, objects, mask))


@every_metric
def test_processes_add_up_to_all_clips_at_once(make, boxes, score):
    box, objects = boxes(5), boxes(3, seed=1)
    other = make()
    other.update(box[1:], objects[1:])
    sent = iter([other.part, other.whole])
    metric = make(
        distributed_available_fn=lambda: True, dist_sync_fn=lambda own, group: [own, next(sent)], sync_on_compute=True
    )
    metric.update(box[:1], objects[:1])
    assert float(metric.compute()) == pytest.approx(score(make(), box, objects))


@every_metric
def test_missing_objects_do_not_count(make, boxes, score):
    box, objects, mask = boxes(5), boxes(3, seed=1), torch.ones(2, 3, 3, dtype=torch.bool)
    want = score(make(), box, objects[:, :, [0, 2]])
    mask[:, :, 1] = False
    for filler in (0.0, 0.5, math.nan, math.inf):
        objects[:, :, 1] = filler
        assert score(make(), box, objects, mask) == pytest.approx(want)


@every_metric
def test_missing_regions_do_not_count(make, boxes, score):
    box, objects, region_mask = boxes(5), boxes(3, seed=1), torch.ones(2, 3, 5, dtype=torch.bool)
    want = score(make(), box[:, :, 1:], objects)
    region_mask[:, :, 0] = False
    for filler in (0.5, math.nan):
        box[:, :, 0] = filler
        assert score(make(), box, objects, region_mask=region_mask) == pytest.approx(want)


@every_metric
def test_frames_beyond_the_lengths_do_not_count(make, boxes, score):
    box, objects = boxes(5), boxes(3, seed=1)
    metric = make()
    metric.update(box[:1, :2], objects[:1, :2])
    metric.update(box[1:], objects[1:])
    assert score(make(), box, objects, lengths=torch.tensor([2, 3])) == pytest.approx(float(metric.compute()))


@every_metric
def test_nothing_measured_is_nan(make, boxes, score):
    assert math.isnan(score(make(), boxes(5), boxes(3), torch.zeros(2, 3, 3, dtype=torch.bool)))


@every_metric
def test_half_precision_and_gradients_are_taken_as_they_come(make, boxes, score):
    box, objects = boxes(5).bfloat16(), boxes(3, seed=1)
    want = score(make(), box.double(), objects)
    assert score(make(), box.requires_grad_(), objects) == pytest.approx(want)


def test_frames_without_a_region_leave_their_objects_uncovered(boxes, score):
    objects, region_mask = boxes(1), torch.ones(2, 3, 1, dtype=torch.bool)
    region_mask[:, 0] = False
    assert score(BestBoxIoU(), objects, objects, region_mask=region_mask) == pytest.approx(2 / 3)
    assert score(RegionCoverage(), objects, objects, region_mask=region_mask) == pytest.approx(2 / 3)
    assert score(RegionObjectDistance(), objects, objects, region_mask=region_mask) == 0


def test_regions_may_be_read_at_half_their_size(score):
    whole, middle = torch.tensor([0.5, 0.5, 1.0, 1.0]), torch.tensor([0.5, 0.5, 0.5, 0.5])
    assert score(BestBoxIoU(region_scale=0.5), whole.view(1, 1, 1, 4), middle.view(1, 1, 1, 4)) == 1


@pytest.mark.parametrize(
    ("update", "named"),
    [
        (lambda m: m.update(torch.rand(2, 5, 4), torch.rand(2, 3, 1, 4)), "'box' of shape"),
        (lambda m: m.update(torch.rand(2, 3, 5, 4), torch.rand(2, 3, 0, 4)), "'objects' of shape"),
        (lambda m: m.update(torch.rand(2, 3, 5, 4), torch.rand(2, 4, 1, 4)), "same clips and frames"),
        (
            lambda m: m.update(torch.rand(2, 3, 5, 4), torch.rand(2, 3, 1, 4), torch.ones(2, 3, 1)),
            "'mask' of type bool",
        ),
        (
            lambda m: m.update(torch.rand(2, 3, 5, 4), torch.rand(2, 3, 1, 4), lengths=torch.tensor([3, 4])),
            "'lengths' between 1 and T = 3",
        ),
    ],
)
def test_what_does_not_fit_is_refused(update, named):
    with pytest.raises(ValueError, match=f"Expected .*{named}"):
        update(BestBoxIoU())


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="'match' to be one of 'object', 'region', 'both'"):
        RegionObjectDistance("nearest")
    with pytest.raises(ValueError, match="'of' to be one of"):
        RegionCoverage("volume")
    with pytest.raises(ValueError, match="'of' to be one of"):
        TemporalConsistency("speed")
    with pytest.raises(ValueError, match="'region_scale' above 0"):
        BestBoxIoU(region_scale=0)
    with pytest.raises(NotImplementedError, match=r"needs a method measure\(scene\)"):
        RegionMetric().update(torch.rand(1, 1, 1, 4), torch.rand(1, 1, 1, 4))


def test_boxes_in_pixels_are_refused():
    box, pixels = torch.full((1, 1, 1, 4), 0.5), torch.full((1, 1, 1, 4), 40.0)
    for args in ((box, pixels), (pixels, box)):
        with pytest.raises(ValueError, match="as fractions of the frame .got values up to 40, as of pixels"):
            BestBoxIoU().update(*args)
