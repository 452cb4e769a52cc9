"""Blocks inside any model, from outside: nothing of the model is replaced or renamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..layers import accepted_info
from .layouts import Layout, from_clips, to_clips
from .places import Place, features_of, find_places

BlockFactory: TypeAlias = Callable[[int, tuple[int, int]], nn.Module]
"""Channels, and height and width of a map, to a module on clips."""

_NAME = "graph_blocks"


def attach_blocks(
    model: nn.Module,
    blocks: Mapping[str, BlockFactory | nn.Module],
    *,
    num_frames: int | None = None,
    input: Tensor | tuple[object, ...] | None = None,  # noqa: A002 - the word that torch has for it
    layouts: Mapping[str, Layout] | None = None,
) -> BlockAttachment:
    """Put blocks on clips behind modules of any model, such as torchvision's and timm's, in place.

    The model runs once to find out what its modules give: folded frames, volumes, or tokens. The blocks see clips
    either way; class tokens go past them. All modules and weights of the model keep their names; the blocks are in the
    one new submodule ``model.graph_blocks``. With a :class:`~pyg_video.layers.GraphBlock`, which is the identity at
    first, the model gives what it gave before.

    Insert before the model is compiled or wrapped in ``DistributedDataParallel``. ``DataParallel`` on several GPUs
    will not do. To run a backbone of ours chunk by chunk, use :func:`~pyg_video.backbones.insert_block`.

    Args:
        model: any module on images or videos.
        blocks: by the dotted path of the module that it follows, a module on clips :math:`(B, T, C, H, W)` that keeps
            their shape, or a function of channels and ``(height, width)`` that makes one. They are put where the
            features are.
        num_frames: frames of a clip, for a model that sees folded frames :math:`(B T, C, H, W)`.
        input: what the model takes, of the size it will be used with; a tuple for several arguments. By default a
            guess.
        layouts: how features lie, by path, where it cannot be told from their shape.

    Returns:
        What was inserted, a context manager; or remove it later by its method ``remove``.

    Raises:
        ValueError: there is no such module, it does not give one feature map, a block changes the shape of the clips,
            or the model has blocks already. The model is then as before.

    Example:
        >>> from torchvision.models import resnet18
        >>> from pyg_video.models import dyreg_block
        >>> net, frames = resnet18().eval(), torch.randn(8, 3, 64, 64)  # two clips of four frames
        >>> before = net(frames)
        >>> inserted = attach_blocks(net, {"layer3.1.conv1": dyreg_block}, num_frames=4, input=frames)
        >>> torch.equal(net(frames), before)
        True
        >>> inserted
        BlockAttachment(layer3.1.conv1: FCHW, 256 channels, 4 x 4)
    """
    if hasattr(model, _NAME):
        raise ValueError(
            f"Expected 'model' without an attribute {_NAME} (got one that has it); give all blocks in one call, or use "
            "detach_blocks(model) first"
        )
    places = find_places(model, tuple(blocks), num_frames=num_frames, input=input, layouts=layouts)
    made = [_inserted(place, blocks[path], model.training) for path, place in places.items()]
    container = _Blocks()
    for block in made:
        container.add_module(block.path.replace(".", "_"), block)
    if len(list(container.named_children())) < len(made):
        raise ValueError(f"Expected paths that differ in more than '.' and '_' (got {', '.join(blocks)})")
    model.add_module(_NAME, container)
    for block in made:
        block.handle = model.get_submodule(block.path).register_forward_hook(block.after)
    return BlockAttachment(model, container)


def detach_blocks(model: nn.Module) -> None:
    """Undo :func:`attach_blocks`, on its model or a copy of it: the model is as it was before.

    Raises:
        ValueError: the model has no blocks.
    """
    container = getattr(model, _NAME, None)
    inserted = [] if container is None else list(container.children())
    if not inserted or not all(isinstance(block, AttachedBlock) for block in inserted):
        raise ValueError(f"Expected 'model' with blocks of attach_blocks (got {type(model).__name__} without them)")
    for block in inserted:
        block.handle.remove()
    delattr(model, _NAME)


class _Blocks(nn.Module):
    """The blocks of a model; as the last part of an ``nn.Sequential``, which runs all it has, it does nothing."""

    def forward(self, output: object) -> object:
        return output


class AttachedBlock(nn.Module):
    """A block, and what it needs to know of the place that it is in.

    Args:
        block: a module on clips.
        place: where it is.

    Attributes:
        num_frames: frames of a clip, where frames are folded; may be set anew.
    """

    handle: RemovableHandle

    def __init__(self, block: nn.Module, place: Place) -> None:
        super().__init__()
        self.block = block
        self.path, self.layout, self.num_frames = place.path, place.layout, place.num_frames
        self.channels, self.size = place.channels, place.size

    def forward(self, features: Tensor, grid: tuple[int, ...] = ()) -> Tensor:
        """The block on features that lie as at this place; ``grid`` is that of the tokens, if they tell it."""
        layout = self.layout._replace(grid=grid) if grid and self.layout.grid else self.layout
        clips = to_clips(features, layout, self.num_frames)
        y = self.block(clips)
        if not isinstance(y, Tensor) or y.shape != clips.shape:
            got = list(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise ValueError(f"Expected a block at '{self.path}' that keeps the shape {list(clips.shape)} (got {got})")
        return from_clips(y.to(features.dtype), layout, features)  # a norm under autocast gives another type

    # A bound method as the hook: a copy of the model gets hooks of its own blocks.
    def after(self, module: nn.Module, args: tuple[object, ...], output: object) -> object:  # noqa: ARG002
        """What the module's output becomes; of several outputs, the first one changes."""
        if getattr(module, "_is_replica", False):  # its hooks know the blocks of the first GPU alone
            raise RuntimeError(
                "Expected a model on one GPU (got a replica of DataParallel); use DistributedDataParallel"
            )
        features, grid = features_of(output)
        y = self(features, grid)
        return (y, *output[1:]) if isinstance(output, tuple) else y

    def extra_repr(self) -> str:
        return in_words(self)


class BlockAttachment:
    """What :func:`attach_blocks` did, to look at and to undo; as a context manager, undone at its end.

    Example:
        >>> from pyg_video.backbones import NonLocal
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        >>> with attach_blocks(net, {"0": NonLocal(8)}, num_frames=4, input=torch.zeros(4, 3, 8, 8)) as inserted:
        ...     sorted(inserted) == ["0"] and inserted["0"] is net.graph_blocks.get_submodule("0").block
        True
        >>> hasattr(net, "graph_blocks")
        False
    """

    def __init__(self, model: nn.Module, container: nn.Module) -> None:
        self.model, self.container = model, container

    @property
    def places(self) -> dict[str, AttachedBlock]:
        """The places by path, each with its ``block``, ``channels``, ``size`` and ``layout``."""
        return {block.path: block for block in self.container.children() if isinstance(block, AttachedBlock)}

    def __getitem__(self, path: str) -> nn.Module:
        return self.places[path].block

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def remove(self) -> None:
        """Undo it; once more does nothing."""
        if getattr(self.model, _NAME, None) is self.container:
            detach_blocks(self.model)

    def __enter__(self) -> BlockAttachment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"BlockAttachment({'; '.join(map(in_words, self.places.values()))})"


def in_words(block: AttachedBlock) -> str:
    """Path, layout and map of a place."""
    height, width = block.size
    tokens = f" tokens after {block.layout.prefix}" if block.layout.grid else ""
    return f"{block.path}: {block.layout.axes}{tokens}, {block.channels} channels, {height} x {width}"


def _inserted(place: Place, given: BlockFactory | nn.Module, training: bool) -> AttachedBlock:
    """A block for a place, tried once on features that are zero."""
    try:
        block = given if isinstance(given, nn.Module) else given(place.channels, place.size)
    except ValueError as error:
        raise ValueError(f"At '{place.path}': {error}") from error
    if not isinstance(block, nn.Module):
        raise TypeError(f"Expected a module, or a function that makes one, at '{place.path}' (got {block!r})")
    if "box" in accepted_info(block):
        raise ValueError(
            f"Expected a block without boxes at '{place.path}' (got one that needs them); use VideoClassifier"
        )
    expected = getattr(block, "channels", place.channels)
    if expected != place.channels:
        raise ValueError(f"Expected a block of {place.channels} channels at '{place.path}' (got {expected})")
    features = place.features
    inserted = AttachedBlock(block, place).to(features.device, features.dtype)
    inserted.eval()  # statistics stay as they are
    with torch.no_grad():
        inserted(torch.zeros_like(features), place.layout.grid)
    return inserted.train(training)
