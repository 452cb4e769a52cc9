"""Graph blocks behind modules of any model, by forward hooks: no module is replaced or renamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from .._tracing import NotScriptable, as_leaf, is_proxy
from ..layers import accepted_info
from .layouts import Layout, from_clips, to_clips
from .places import Place, features_of, find_places

BlockFactory: TypeAlias = Callable[[int, tuple[int, int]], nn.Module]
"""A function of channels and (height, width) of a feature map that makes a module on clips."""

_NAME = "graph_blocks"


def attach_blocks(
    model: nn.Module,
    blocks: Mapping[str, BlockFactory | nn.Module],
    *,
    num_frames: int | None = None,
    input: Tensor | tuple[object, ...] | None = None,  # noqa: A002 - the word that torch has for it
    layouts: Mapping[str, Layout] | None = None,
) -> BlockAttachment:
    """Attach blocks on clips behind modules of any model, such as torchvision's and timm's, in place.

    The model runs once to determine the layout of its modules' outputs: folded frames, volumes or tokens. The blocks
    see clips in any case; class tokens bypass them. All modules and weights of the model keep their names; the blocks
    are in one new submodule, ``model.graph_blocks``. A :class:`~pyg_video.layers.GraphBlock` is the identity at
    initialisation, so the outputs of the model do not change at first.

    Attach before the model is compiled or wrapped in ``DistributedDataParallel``. ``DataParallel`` on several GPUs is
    not supported. To run a backbone of this package chunk by chunk, use :func:`~pyg_video.backbones.insert_block`.

    Args:
        model: any module on images or videos.
        blocks: blocks by the dotted path of the module that they follow. A block is a module on clips
            :math:`(B, T, C, H, W)` that keeps their shape, or a function of channels and ``(height, width)`` that
            makes one. Blocks are moved to the device and type of the features.
        num_frames: frames per clip, for a model on folded frames :math:`(B T, C, H, W)`.
        input: an input of the model, of the size it will be used with; a tuple for several arguments. By default
            zeros of a guessed size.
        layouts: layouts of features by path, where they cannot be determined from the shape.

    Returns:
        The attached blocks; a context manager that detaches them at its end, as does its method ``remove``.

    Raises:
        ValueError: there is no such module, its output is not one feature map, a block changes the shape of the clips,
            or the model has blocks already. The model is unchanged then.

    Example:
        >>> from torchvision.models import resnet18
        >>> from pyg_video.models import dyreg_block
        >>> net, frames = resnet18().eval(), torch.randn(8, 3, 64, 64)  # two clips of four frames
        >>> before = net(frames)
        >>> attached = attach_blocks(net, {"layer3.1.conv1": dyreg_block}, num_frames=4, input=frames)
        >>> torch.equal(net(frames), before)
        True
        >>> attached
        BlockAttachment(layer3.1.conv1: FCHW, 256 channels, 4 x 4)
    """
    if hasattr(model, _NAME):
        raise ValueError(
            f"Expected 'model' without an attribute {_NAME} (got one that has it); give all blocks in one call, or use "
            "detach_blocks(model) first"
        )
    places = find_places(model, tuple(blocks), num_frames=num_frames, input=input, layouts=layouts)
    attached = [_attached(place, blocks[path], model.training) for path, place in places.items()]
    container = _Blocks()
    for block in attached:
        container.add_module(block.path.replace(".", "_"), block)
    if len(list(container.named_children())) < len(attached):
        raise ValueError(f"Expected paths that differ in more than '.' and '_' (got {', '.join(blocks)})")
    model.add_module(_NAME, container)
    for block in attached:
        block.handle = model.get_submodule(block.path).register_forward_hook(block.after)
    return BlockAttachment(model, container)


def detach_blocks(model: nn.Module) -> None:
    """Remove the blocks of :func:`attach_blocks` from its model or from a copy of it.

    Raises:
        ValueError: the model has no blocks.
    """
    container = getattr(model, _NAME, None)
    if not isinstance(container, _Blocks):
        raise ValueError(f"Expected 'model' with blocks of attach_blocks (got {type(model).__name__} without them)")
    for block in container.places.values():
        block.handle.remove()
    delattr(model, _NAME)


class _Blocks(nn.Module):
    """The blocks of a model; the identity, since an ``nn.Sequential`` calls it as its last part."""

    @property
    def places(self) -> dict[str, AttachedBlock]:
        return {block.path: block for block in self.children() if isinstance(block, AttachedBlock)}

    def forward(self, output: object) -> object:
        return output


class AttachedBlock(NotScriptable, nn.Module):
    """A module on clips behind an output; ``num_frames``, the frames per clip of folded frames, may be changed."""

    handle: RemovableHandle
    is_attached_block = True  # for scan, which cannot run what hooks run

    def __init__(self, block: nn.Module, place: Place) -> None:
        super().__init__()
        self.block = block
        self.path, self.layout, self.num_frames = place.path, place.layout, place.num_frames
        self.channels, self.size = place.channels, place.size

    def forward(self, features: Tensor, grid: tuple[int, ...] = ()) -> Tensor:
        """Apply the block to features of this layout; ``grid`` is that of the tokens, if the model returns it."""
        layout = self.layout._replace(grid=grid) if grid and self.layout.grid else self.layout
        clips = to_clips(features, layout, self.num_frames)
        y = self.block(clips)
        if not isinstance(y, Tensor) or y.shape != clips.shape:
            got = list(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise ValueError(f"Expected a block at '{self.path}' that keeps the shape {list(clips.shape)} (got {got})")
        return from_clips(y.to(features.dtype), layout, features)  # a norm under autocast gives another type

    # A bound method as the hook: a copy of the model gets hooks of its own blocks.
    def after(self, module: nn.Module, args: tuple[object, ...], output: object) -> object:  # noqa: ARG002
        """The forward hook: replaces the module's output, or the first one of several."""
        if getattr(module, "_is_replica", False):  # its hooks hold the blocks of the first GPU only
            raise RuntimeError(
                "Expected a model on one GPU (got a replica of DataParallel); use DistributedDataParallel"
            )
        if is_proxy(output):
            return as_leaf(self, output)
        features, grid = features_of(output)
        y = self(features, grid)
        return (y, *output[1:]) if isinstance(output, tuple) else y

    def extra_repr(self) -> str:
        """Path, layout and map size."""
        height, width = self.size
        tokens = f" tokens after {self.layout.prefix}" if self.layout.grid else ""
        return f"{self.path}: {self.layout.axes}{tokens}, {self.channels} channels, {height} x {width}"


class BlockAttachment:
    """The blocks that :func:`attach_blocks` attached; as a context manager, detached at its end.

    Example:
        >>> from pyg_video.backbones import NonLocal
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        >>> with attach_blocks(net, {"0": NonLocal(8)}, num_frames=4, input=torch.zeros(4, 3, 8, 8)) as attached:
        ...     sorted(attached) == ["0"] and attached["0"] is net.graph_blocks.get_submodule("0").block
        True
        >>> hasattr(net, "graph_blocks")
        False
    """

    def __init__(self, model: nn.Module, container: _Blocks) -> None:
        self.model, self.container = model, container

    @property
    def places(self) -> dict[str, AttachedBlock]:
        """The attached blocks by path, each with its ``block``, ``channels``, ``size`` and ``layout``."""
        return self.container.places

    def __getitem__(self, path: str) -> nn.Module:
        return self.places[path].block

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def remove(self) -> None:
        """Detach the blocks; idempotent."""
        if getattr(self.model, _NAME, None) is self.container:
            detach_blocks(self.model)

    def __enter__(self) -> BlockAttachment:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"BlockAttachment({'; '.join(block.extra_repr() for block in self.places.values())})"


def _attached(place: Place, given: BlockFactory | nn.Module, training: bool) -> AttachedBlock:
    """A block for a place, run once on zero features."""
    try:
        block = given if isinstance(given, nn.Module) else given(place.channels, place.size)
    except ValueError as error:
        raise ValueError(f"At '{place.path}': {error}") from error
    if not isinstance(block, nn.Module):
        raise TypeError(f"Expected a module, or a function that makes one, at '{place.path}' (got {block!r})")
    if "box" in accepted_info(block):
        raise ValueError(
            f"Expected a block without boxes at '{place.path}' (got one that takes them); use VideoClassifier"
        )
    expected = getattr(block, "channels", place.channels)
    if expected != place.channels:
        raise ValueError(f"Expected a block of {place.channels} channels at '{place.path}' (got {expected})")
    features = place.features
    attached = AttachedBlock(block, place).to(features.device, features.dtype)
    attached.eval()  # running statistics stay as they are
    with torch.no_grad():
        attached(torch.zeros_like(features), place.layout.grid)
    return attached.train(training)
