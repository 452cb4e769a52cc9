"""Models of torchvision, timm or anybody as classifiers of clips, with graph blocks attached inside of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from .._checks import check_option
from ..attachment import BlockAttachment, Layout, attach_blocks
from ..attachment.blocks import BlockFactory
from ..attachment.outputs import tensors_in
from ..backbones.stages import NonCausal
from ..layers.readout import clip_vector
from ..transforms import IMAGENET_MEAN, IMAGENET_STD
from .class_path import UnknownModelError, build_class, class_options, find_class, is_class_path
from .classifier import ModelRecipe, Option, VideoClassifier
from .dyreg_block import dyreg_block
from .registry import register_model
from .zoo import own_normalization, zoo_model

_AXES = ("FCHW", "BCTHW", "BTCHW")
_SPEC = ("name", "options", "layout", "element")
_NONE: dict[str, Option] = {}


class ForeignClassifier(NonCausal, nn.Module):
    """Clips to class scores by a model of another library, with or without blocks of ``attach_blocks`` inside.

    Scores of single frames are averaged over the clip's ``lengths``; a model on clips takes whole ones. Grey frames are
    repeated over the three colours. It runs on whole clips, not on streams.

    Args:
        net: a model on images :math:`(F, 3, H, W)` or clips, whose output is, or begins with, scores
            :math:`(\\cdot, num\\_classes)`.
        axes: ``"FCHW"`` for a model on images, ``"BCTHW"`` or ``"BTCHW"`` for one on clips; by default the first, or
            the second if the first convolution of the model is one over time.
        mean: of the colours that the model was trained on, where the video is normalised as for ImageNet.
        std: their standard deviation.
        num_classes: number of scores that the model has to return, if it is known.

    Attributes:
        in_channels: 3.
        settled: options of :func:`foreign_model` that were found while it was made.
        recipe: name and options, if it was made by :func:`~pyg_video.models.create_model`.

    Shapes:
        - **video:** :math:`(B, T, 3, H, W)` or :math:`(B, T, 1, H, W)`
        - **output:** :math:`(B, num\\_classes)`

    Example:
        >>> from torchvision.models import resnet18
        >>> net = resnet18(num_classes=5)
        >>> attached = attach_blocks(net, {"layer3": dyreg_block}, num_frames=4, input=torch.zeros(4, 3, 64, 64))
        >>> ForeignClassifier(net)(torch.rand(2, 4, 3, 64, 64)).shape
        torch.Size([2, 5])
    """

    recipe: ModelRecipe | None = None
    settled: dict[str, Option]
    in_channels = 3
    accepts = frozenset({"lengths"})
    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        net: nn.Module,
        *,
        axes: str | None = None,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        self.net, self.axes, self.settled = net, axes or _usual_axes(net), {}
        check_option("axes", self.axes, _AXES)
        self.num_classes = num_classes
        given, own = (torch.tensor([IMAGENET_MEAN, IMAGENET_STD]), torch.tensor([tuple(mean), tuple(std)]))
        self.register_buffer("scale", (given[1] / own[1])[:, None, None], persistent=False)
        self.register_buffer("shift", ((given[0] - own[0]) / own[1])[:, None, None], persistent=False)

    def forward(self, video: Tensor, lengths: Tensor | None = None) -> Tensor:
        if video.dim() != 5 or video.size(2) not in (1, 3):
            raise ValueError(f"Expected 'video' of shape [B, T, 1 or 3, H, W] (got {list(video.shape)})")
        B, T = video.shape[:2]
        x = video * self.scale + self.shift  # [B, T, 3, H, W]
        if self.axes == "FCHW":
            for block in self._blocks():
                block.num_frames = T
            return clip_vector(self._scores(x.flatten(0, 1)).unflatten(0, (B, T)), "mean", lengths)
        if lengths is not None and bool((lengths < T).any()):
            raise ValueError(
                f"Expected whole clips of {T} frames, which {type(self.net).__name__} sees at once (got 'lengths' "
                f"{lengths.tolist()}); give clips of one length"
            )
        return self._scores(x.transpose(1, 2) if self.axes == "BCTHW" else x)

    def _scores(self, x: Tensor) -> Tensor:
        """The class scores in what the model returns."""
        output, classes = self.net(x), self.num_classes
        found = next((tensor for _, tensor in tensors_in(output) if tensor.dim() == 2), None)
        if found is None or classes not in (None, found.size(1)):
            got = type(output).__name__ if found is None else list(found.shape)
            raise ValueError(f"Expected a model that returns class scores [N, {classes or 'num_classes'}] (got {got})")
        return found

    def _blocks(self) -> list[Any]:
        blocks = getattr(self.net, "graph_blocks", None)
        return list(blocks.children()) if blocks is not None else []


@register_model
def foreign_model(
    num_classes: int = 1000,
    *,
    factory: str = "resnet18",
    arguments: dict[str, Option] = _NONE,
    blocks: dict[str, Option] = _NONE,
    weights: str = "",
    axes: str = "auto",
    num_frames: int = 8,
    frame_size: int = 224,
) -> VideoClassifier:
    """A :class:`ForeignClassifier` by name, so that files, the command line and training know it.

    Args:
        num_classes: number of classes.
        factory: a model of torchvision, of timm as ``"timm/..."``, or the path of a class in a module that was
            imported, such as ``"my_models.MyNet"``.
        arguments: further arguments of the factory.
        blocks: blocks by the path of the module that they follow, see :func:`~pyg_video.attachment.attach_blocks`:
            ``"dyreg_block"``, or the path of a class whose first argument is ``channels``, such as
            ``"pyg_video.backbones.NonLocal"``; with options as ``{"name": ..., "options": {...}}``, to which
            ``"layout"`` and ``"element"`` may be added.
        weights: published weights, or a file with a state dict: see :func:`~pyg_video.models.zoo_model`. Files of
            the whole model have their own, and loading them fetches nothing.
        axes: of :class:`ForeignClassifier`; ``"auto"`` for its default.
        num_frames: frames per clip.
        frame_size: side of the frames.

    Example:
        >>> from pyg_video.models import create_model
        >>> blocks = {"layer3": {"name": "dyreg_block", "options": {"node_channels": 32}}}
        >>> model = create_model("foreign_model", num_classes=5, blocks=blocks, num_frames=4, frame_size=64)
        >>> model(torch.rand(2, 4, 3, 64, 64)).shape
        torch.Size([2, 5])
    """
    specs = {path: _spec(path, given) for path, given in blocks.items()}
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    if is_class_path(factory):
        known = {"num_classes": num_classes} if "num_classes" in class_options(factory) else {}
        if weights:
            raise ValueError(f"Expected no 'weights' for the class '{factory}' (got '{weights}'); load them in it")
        net = build_class(factory, {**known, **arguments})
    else:
        net = zoo_model(factory, weights, arguments, num_classes=num_classes)
        mean, std = own_normalization(factory) or (mean, std)
    named = None if axes == "auto" else axes
    model = ForeignClassifier(net, axes=named, mean=mean, std=std, num_classes=num_classes)
    if specs:
        size = {"FCHW": (num_frames, 3), "BCTHW": (1, 3, num_frames), "BTCHW": (1, num_frames, 3)}[model.axes]
        attached = attach_blocks(
            net,
            {path: _factory(spec) for path, spec in specs.items()},
            num_frames=num_frames,
            input=torch.zeros(*size, frame_size, frame_size),
            layouts={path: spec["layout"] for path, spec in specs.items() if "layout" in spec},
            elements={path: spec["element"] for path, spec in specs.items() if "element" in spec},
            probe=not all("layout" in spec for spec in specs.values()),
        )
        model.settled["blocks"] = _settled(specs, attached)
    return cast(VideoClassifier, model)


def _spec(path: str, given: object) -> dict[str, Any]:
    spec = {"name": given} if isinstance(given, str) else given
    if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str) or set(spec) - set(_SPEC):
        raise ValueError(
            f"Expected the block at '{path}' as a name, or as a mapping of {', '.join(_SPEC)} (got {given!r})"
        )
    if spec["name"] != dyreg_block.__name__ and not is_class_path(spec["name"]):
        raise ValueError(f"Expected 'dyreg_block' or the path of a class at '{path}' (got '{spec['name']}')")
    spec = dict(spec)
    if is_class_path(spec["name"]):
        try:  # here, since attach_blocks has no error of its own for a module that was not imported
            find_class(spec["name"])
        except UnknownModelError:
            raise
        except ValueError as error:
            raise ValueError(f"At '{path}': {error}") from error
    known = (dyreg_block.__kwdefaults__ or {}) if spec["name"] == dyreg_block.__name__ else None
    options, layout = spec.get("options") or {}, spec.get("layout", ())
    if not isinstance(options, Mapping) or (known is not None and options.keys() - known.keys()):
        of = "" if known is None else f" of {', '.join(known)}"
        raise ValueError(f"Expected 'options' at '{path}' as a mapping{of} (got {options!r})")
    if not isinstance(layout, (list, tuple)) or len(layout) > len(Layout._fields):
        raise ValueError(f"Expected 'layout' at '{path}' as a list of {', '.join(Layout._fields)} (got {layout!r})")
    if "layout" in spec:
        parts: list[Any] = [tuple(part) if isinstance(part, list) else part for part in spec["layout"]]
        spec["layout"] = Layout(*parts)
    if isinstance(element := spec.get("element"), list):
        spec["element"] = tuple(element)
    return spec


def _factory(spec: Mapping[str, Any]) -> BlockFactory:
    options: dict[str, Any] = dict(spec.get("options") or {})
    if spec["name"] == dyreg_block.__name__:
        return partial(dyreg_block, **options)
    return lambda channels, size: build_class(spec["name"], {"channels": channels, **options})  # noqa: ARG005


def _settled(specs: Mapping[str, Mapping[str, Any]], attached: BlockAttachment) -> dict[str, Option]:
    """The blocks with the layouts and elements that were found, which a file of the model keeps."""
    return {
        path: {**spec, "layout": tuple(place.layout), "element": place.keys}
        for (path, spec), place in zip(specs.items(), attached.places.values(), strict=True)
    }


def _usual_axes(net: nn.Module) -> str:
    convolutions = (part for part in net.modules() if isinstance(part, (nn.Conv2d, nn.Conv3d)))
    return "BCTHW" if isinstance(next(convolutions, None), nn.Conv3d) else "FCHW"
