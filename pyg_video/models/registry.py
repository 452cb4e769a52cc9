"""Models by name."""

import functools
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from typing import Any, TypeAlias, cast

from torch import Tensor

from .class_path import UnknownModelError, build_class, class_options, class_paths, module_of, unknown
from .classifier import ModelRecipe, Option, VideoClassifier
from .size_limit import SizeLimit

VideoModel: TypeAlias = Callable[..., VideoClassifier]

_ENTRIES: dict[str, VideoModel] = {}
_FRESH = ContextVar("fresh_weights", default=False)


def register_model(entry: VideoModel) -> VideoModel:
    """Register a function that builds a model for :func:`create_model`, under the function's name.

    Args:
        entry: its parameters are the model's options. Each needs a default, of a type that JSON can hold.

    Example:
        >>> from pyg_video.backbones import SmallCNN
        >>> from pyg_video.models import PoolHead
        >>> @register_model
        ... def tiny_cnn(num_classes: int = 10, *, width: int = 8) -> VideoClassifier:
        ...     return VideoClassifier(SmallCNN(1, (width,), (2,)), PoolHead(width, num_classes))
        >>> create_model("tiny_cnn", width=4).recipe
        ModelRecipe(name='tiny_cnn', options={'num_classes': 10, 'width': 4})
    """
    for parameter in inspect.signature(entry).parameters.values():
        if parameter.default is inspect.Parameter.empty:
            raise ValueError(f"Expected a default for every option of {entry.__name__} (got '{parameter}' without one)")
    known = _ENTRIES.get(entry.__name__)
    if known is not None and known.__module__ != entry.__module__:
        raise ValueError(f"Expected a new name for a model (got '{entry.__name__}', which {known.__module__} has)")
    _ENTRIES[entry.__name__] = entry
    return entry


def options_of(function: Callable[..., object], *names: str, **defaults: Option) -> list[inspect.Parameter]:
    """Parameters of a function, for :func:`option_groups`.

    Args:
        function: the function that documents the options.
        *names: options to take; all that have a default other than ``None`` if neither names nor defaults are given.
        **defaults: options to take with another default.
    """
    known = inspect.signature(function).parameters
    if not names:
        names = tuple(name for name, parameter in known.items() if parameter.default not in (parameter.empty, None))
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        known[name].replace(kind=keyword, default=defaults.get(name, known[name].default))
        for name in dict.fromkeys((*names, *defaults))
    ]


def option_groups(**groups: list[inspect.Parameter]) -> Callable[[VideoModel], VideoModel]:
    """Spread keyword parameters of a model function that are mappings of options into an option for each key.

    Args:
        **groups: the options of every such parameter, see :func:`options_of`.

    Example:
        >>> from pyg_video.backbones import SmallCNN
        >>> from pyg_video.models import PoolHead
        >>> @option_groups(net=options_of(SmallCNN, "channels", strides=(2, 2)))
        ... def tiny_cnn(num_classes: int = 10, *, net: Mapping[str, Any]) -> VideoClassifier:
        ...     return VideoClassifier(SmallCNN(1, **net), PoolHead(net["channels"][-1], num_classes))
        >>> list(inspect.signature(tiny_cnn).parameters)
        ['num_classes', 'channels', 'strides']
        >>> tiny_cnn(5, channels=(4, 8)).backbone.info[-1].channels
        8
    """

    def decorate(entry: VideoModel) -> VideoModel:
        @functools.wraps(entry)
        def model(**options: Any) -> VideoClassifier:
            for group, members in groups.items():
                options[group] = {member.name: options.pop(member.name) for member in members}
            return entry(**options)

        signature = inspect.signature(entry)
        own = signature.parameters.items()
        spread = [member for name, parameter in own for member in groups.get(name, [parameter])]
        return _with_signature(model, signature.replace(parameters=spread))

    return decorate


def register_variant(name: str, family: VideoModel, **defaults: Option) -> VideoModel:
    """Register a model function under another name, with other defaults for some of its options.

    Args:
        name: name of the variant.
        family: a function that :func:`register_model` accepts; the variant has the same options.
        **defaults: the defaults that differ.

    Returns:
        The variant as a function; assign it to a variable called ``name``.

    Raises:
        ValueError: the family has no such option, the default is of another type, or the name is taken.

    Example:
        >>> from pyg_video.models import dyreg_resnet
        >>> dyreg_tsm_resnet34 = register_variant("dyreg_tsm_resnet34", dyreg_resnet, backbone="tsm", depth=34)
        >>> model_options("dyreg_tsm_resnet34")["depth"]
        34
    """
    signature = inspect.signature(family)
    defaults = _checked(family.__name__, defaults, _defaults(family))
    parameters = [
        parameter.replace(default=defaults.get(parameter.name, parameter.default))
        for parameter in signature.parameters.values()
    ]
    variant = _with_signature(family, signature.replace(parameters=parameters))
    variant.__name__ = variant.__qualname__ = name
    variant.__module__ = sys._getframe(1).f_globals["__name__"]  # the caller's, as collections.namedtuple does
    listed = ", ".join(f"{key}={value!r}" for key, value in defaults.items())
    variant.__doc__ = f":func:`{family.__name__}` with {f'``{listed}``' if listed else 'its own options'} by default."
    return register_model(variant)


def list_models() -> list[str]:
    """The names that :func:`create_model` knows.

    Example:
        >>> "dyreg_gnn_sync_mnist" in list_models()
        True
    """
    return sorted(_ENTRIES)


def model_options(name: str) -> dict[str, Option]:
    """The options of a named model with their defaults.

    Example:
        >>> options = model_options("cnn_sync_mnist")
        >>> options["channels"], options["readout"]
        ((16, 32, 32), 'mean')
    """
    if name in _ENTRIES:
        return _defaults(_ENTRIES[name])
    if "." in name:
        return class_options(name)
    known = ", ".join(list_models())
    raise ValueError(f"Expected the name of a model, one of {known} (got '{name}'{_hint(name, _ENTRIES)})")


def create_model(name: str, **options: Option) -> VideoClassifier:
    """A model by name, with freshly drawn weights.

    The name and all options, defaults included, stay with the model as its ``recipe``; checkpoints keep them.

    Args:
        name: one of :func:`list_models`, or the dotted path of a class in a module that was imported before, such as
            ``"my_models.MyNet"``.
        **options: see :func:`model_options`; a list counts as a tuple.

    Raises:
        ValueError: the name or an option is unknown, or an option is of another type than its default.

    Example:
        >>> import torch
        >>> model = create_model("dyreg_gnn_sync_mnist", num_classes=10, frame_size=40)
        >>> model(torch.rand(2, 8, 1, 40, 40)).shape
        torch.Size([2, 10])
    """
    defaults = model_options(name)
    if name not in _ENTRIES:
        return _from_class(name, defaults, options)
    given = _checked(name, options, defaults)
    for key in ("num_classes", "frame_size", "region_channels"):
        if key in given and given[key] < 1:  # type: ignore[operator] # whole numbers, as their defaults
            raise ValueError(f"Expected '{key}' of {name} of at least 1 (got {given[key]})")
    recipe = ModelRecipe(name, defaults | given)
    published = _FRESH.get() and "weights" in recipe.options and not model_module(name)
    fresh = {"weights": ""} if published else {}
    model = _ENTRIES[name](**(recipe.options | fresh))
    settled: dict[str, Option] = getattr(model, "settled", {})  # what it found out while it was made
    model.recipe = ModelRecipe(name, recipe.options | settled)
    return model


@contextmanager
def fresh_weights(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Within it, a model is made for the weights of a file.

    Models of this package fetch no published weights, and options that ask for far larger tensors are refused, see
    :class:`~pyg_video.models.size_limit.SizeLimit`.
    """
    token = _FRESH.set(True)
    try:
        with SizeLimit(weights):
            yield
    finally:
        _FRESH.reset(token)


def recipe_modules(recipe: ModelRecipe) -> list[str]:
    """The modules that a model needs beside this package: its own, and those of classes that its options name."""
    modules = [model_module(recipe.name), *(_outside(module_of(path)) for path in class_paths(recipe.options))]
    return list(dict.fromkeys(filter(None, modules)))


def model_module(name: str) -> str:
    """The module that defines a model; empty for the models of this package."""
    return _outside(_ENTRIES[name].__module__ if name in _ENTRIES else module_of(name))


def _outside(module: str) -> str:
    """A module that is not of this package, or nothing."""
    return "" if module.partition(".")[0] == __package__.partition(".")[0] else module


def check_known(name: str, module: str) -> None:
    """Raise :class:`UnknownModelError` where a model cannot be made because its module was not imported."""
    module = module or module_of(name)
    if name not in _ENTRIES and module and not ("." in name and module in sys.modules):
        raise UnknownModelError(unknown(name, module))


def _from_class(path: str, defaults: Mapping[str, Option], options: Mapping[str, Option]) -> VideoClassifier:
    recipe = ModelRecipe(path, {key: value for key, value in defaults.items() if value is not None} | dict(options))
    try:
        json.dumps(recipe.options)
    except TypeError as error:
        raise ValueError(f"Expected options of {path} that JSON can hold (got {recipe.options}: {error})") from error
    model = cast(VideoClassifier, build_class(path, recipe.options))
    model.recipe = recipe
    return model


def _with_signature(function: VideoModel, signature: inspect.Signature) -> VideoModel:
    """The function called with all of its options by name, those that are not given at the signature's defaults."""

    @functools.wraps(function)
    def model(*args: Option, **options: Option) -> VideoClassifier:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        return function(**bound.arguments)

    model.__signature__ = signature  # type: ignore[attr-defined]
    del model.__wrapped__  # whose parameters are other ones
    return model


def _defaults(entry: VideoModel) -> dict[str, Option]:
    return {name: parameter.default for name, parameter in inspect.signature(entry).parameters.items()}


def _checked(name: str, options: Mapping[str, Option], defaults: Mapping[str, Option]) -> dict[str, Option]:
    """The options of a model, each with the type of its default."""
    checked = {}
    for key, value in options.items():
        if key not in defaults:
            raise ValueError(f"Expected an option of {name}: {', '.join(defaults)} (got '{key}'{_hint(key, defaults)})")
        try:
            checked[key] = _like(defaults[key], value)
        except TypeError as error:
            raise ValueError(
                f"Expected '{key}' of {name} to be of the type of {defaults[key]!r} (got {value!r})"
            ) from error
    return checked


def _like(default: Option, value: object) -> Option:
    """``value`` as an option of the type of ``default``: a list as a tuple, a whole number as a fraction."""
    if isinstance(default, tuple) and isinstance(value, (list, tuple)):
        # An empty default says nothing of its items: the model checks them.
        return tuple(_like(default[0] if default else item, item) for item in value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):  # not isinstance: True is no number here
        raise TypeError
    return value


def _hint(name: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
