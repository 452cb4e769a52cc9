"""Graph blocks behind modules of any model, by forward hooks: no module is replaced or renamed."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from .._tracing import NotScriptable, as_leaf, is_proxy
from ..layers import accepted_info
from .layouts import Layout, fits, from_clips, to_clips
from .outputs import Key, Keys, element, shown, told_grid, with_element
from .places import Place, find_places

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
    elements: Mapping[str, Key | Keys] | None = None,
    probe: bool = True,
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
        elements: where a module returns more than a tensor, an index or a name, or a tuple of these for what is nested,
            by path; by default the first tensor that can be taken.
        probe: check that the features depend on the frames and are in the order of their pixels, and that the model
            uses them. This takes six runs of a copy of the model on one clip of the size of the input, or twelve, and
            one forward and backward.

    Returns:
        The attached blocks; a context manager that detaches them at its end, as does its method ``remove``.

    Raises:
        ValueError: there is no such module, its output has no feature map that the probe accepts (the error names a
            place near it that has one), a block changes the shape of the clips, or the model has blocks already. The
            model is unchanged then.

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
    model = getattr(model, "_orig_mod", model)  # compiled
    if hasattr(model, _NAME):
        raise ValueError(
            f"Expected 'model' without an attribute {_NAME} (got one that has it); give all blocks in one call, or use "
            "detach_blocks(model) first"
        )
    places = find_places(
        model,
        tuple(blocks),
        num_frames=num_frames,
        input=input,
        layouts=layouts,
        elements=elements,
        probe=probe,
    )
    attached = [_attached(place, blocks[path], model.training) for path, place in places.items()]
    container = _Blocks()
    for block in attached:
        container.add_module(block.path.replace(".", "_"), block)
    if len(list(container.named_children())) < len(attached):
        raise ValueError(f"Expected paths that differ in more than '.' and '_' (got {', '.join(blocks)})")
    model.add_module(_NAME, container)
    for block in attached:
        block.handle = model.get_submodule(block.path).register_forward_hook(block.after)
    container.handles = [
        model.register_forward_pre_hook(container.before_forward),
        model.register_forward_hook(container.after_forward),
    ]
    _forget_compiled()
    return BlockAttachment(model, container)


def detach_blocks(model: nn.Module) -> None:
    """Remove the blocks of :func:`attach_blocks` from its model or from a copy of it.

    Raises:
        ValueError: the model has no blocks.
    """
    model = getattr(model, "_orig_mod", model)  # compiled
    container = getattr(model, _NAME, None)
    if not isinstance(container, _Blocks):
        raise ValueError(f"Expected 'model' with blocks of attach_blocks (got {type(model).__name__} without them)")
    for handle in (*container.handles, *(block.handle for block in container.places.values())):
        handle.remove()
    delattr(model, _NAME)
    _forget_compiled()


def _forget_compiled() -> None:
    """Compiled code, which does not look for hooks again, is not used any more: what was compiled is compiled anew."""
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()


class _Blocks(nn.Module):
    """The blocks of a model; the identity, since an ``nn.Sequential`` calls it as its last part."""

    handles: list[RemovableHandle]

    @property
    def places(self) -> dict[str, AttachedBlock]:
        """The blocks by path."""
        return {block.path: block for block in self.children() if isinstance(block, AttachedBlock)}

    def forward(self, output: object) -> object:
        return output

    # Bound methods as hooks of the model, as those of the blocks.
    def before_forward(self, model: nn.Module, args: tuple[object, ...]) -> None:  # noqa: ARG002
        """Mark all blocks as not run."""
        for block in self.places.values():
            block.has_run = False

    def after_forward(self, model: nn.Module, args: tuple[object, ...], output: object) -> None:  # noqa: ARG002
        """Warn of blocks that this forward pass did not run."""
        if left_out := [path for path, block in self.places.items() if not block.has_run]:
            warnings.warn(
                f"Expected a forward pass of {type(model).__name__} to call {', '.join(left_out)} (got one that did "
                "not, so the blocks there had no effect); it may be checkpointed part by part, or called by its parts",
                stacklevel=2,
            )


class AttachedBlock(NotScriptable, nn.Module):
    """A module on clips behind an output; ``num_frames``, the frames per clip of folded frames, may be changed."""

    handle: RemovableHandle
    is_attached_block = True  # for scan, which cannot run what hooks run

    def __init__(self, block: nn.Module, place: Place) -> None:
        super().__init__()
        self.block = block
        self.path, self.layout, self.num_frames = place.path, place.layout, place.num_frames
        self.channels, self.size = place.channels, place.size
        self.keys, self.calls, self.has_run = place.keys, place.calls, False

    def forward(self, features: Tensor, grid: tuple[int, ...] = ()) -> Tensor:
        """Apply the block to features of this layout; ``grid`` is that of the tokens, if the model returns it."""
        told = self.layout._replace(grid=grid)
        layout = told if self.layout.grid and fits(features, told) else self.layout
        clips = to_clips(features, layout, self.num_frames)
        y = self.block(clips)
        if not isinstance(y, Tensor) or y.shape != clips.shape:
            got = list(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise ValueError(f"Expected a block at '{self.path}' that keeps the shape {list(clips.shape)} (got {got})")
        return from_clips(y.to(features.dtype), layout, features)  # a norm under autocast gives another type

    # A bound method as the hook: a copy of the model gets hooks of its own blocks.
    def after(self, module: nn.Module, args: tuple[object, ...], output: object) -> object:  # noqa: ARG002
        """The forward hook: replaces the features in the module's output."""
        if getattr(module, "_is_replica", False):  # its hooks hold the blocks of the first GPU only
            raise RuntimeError(
                "Expected a model on one GPU (got a replica of DataParallel); use DistributedDataParallel"
            )
        self.has_run = True
        if is_proxy(output) and self.keys:
            raise ValueError(
                f"Expected '{self.path}' to return a tensor (got a proxy of torch.fx, of which {shown(self.keys)} "
                "cannot be replaced); attach the block to a module behind it"
            )
        features = element(output, self.keys)
        y = as_leaf(self, features) if is_proxy(features) else self(features, told_grid(output))
        return with_element(output, self.keys, y)

    def extra_repr(self) -> str:
        """Path, layout and map size."""
        height, width = self.size
        tokens = f" tokens after {self.layout.prefix}" if self.layout.grid else ""
        calls = f", {self.calls} calls" if self.calls > 1 else ""
        name, axes = f"{self.path}{shown(self.keys)}", f"{self.layout.axes}{tokens}"
        return f"{name}: {axes}, {self.channels} channels, {height} x {width}{calls}"


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
