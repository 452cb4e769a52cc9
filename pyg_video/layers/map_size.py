"""Modules whose weights are for maps of one size."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy


class MapSizeModule(nn.Module):
    """Base class of modules that read whole maps of one ``size``: the one given, or that of the first map seen.

    Maps of another size are average-pooled to it. Without a size, ``linear`` is a :class:`torch.nn.LazyLinear`. State
    dicts carry the size as metadata, from which a module without a size takes it. Formats that drop metadata, such as
    safetensors, keep only the number of weights: give ``size``, or a first map of the size trained on.

    Attributes:
        size: height and width, or ``None`` until the first map.
    """

    size: tuple[int, int] | None
    linear: nn.Linear

    def num_inputs(self, size: tuple[int, int]) -> int:
        """Number of inputs of ``linear`` for maps of a size."""
        raise NotImplementedError

    def add_linear(self, size: tuple[int, int] | None, out_features: int) -> None:
        """Create ``linear``."""
        self.size = None if size is None else (size[0], size[1])
        self.linear = nn.LazyLinear(out_features) if size is None else nn.Linear(self.num_inputs(size), out_features)

    def at_size(self, x: Tensor) -> Tensor:
        """Maps :math:`(*, H, W)`, pooled to ``size``, which the first ones set if there is none."""
        if self.size is None:
            H, W = x.shape[-2:]
            num_inputs, weight = self.num_inputs((H, W)), self.linear.weight
            if not is_lazy(weight) and weight.size(1) != num_inputs:
                raise ValueError(
                    "Expected the first map to be of the size of the loaded weights, which have "
                    f"{weight.size(1)} inputs (got {H} x {W}, {num_inputs} inputs); give 'size' to the constructor"
                )
            self.size = (H, W)
        return pool_to_size(x, self.size)

    def _save_to_state_dict(self, destination: dict[str, object], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        getattr(destination, "_metadata", {}).setdefault(prefix[:-1], {})["size"] = self.size

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, object],
        prefix: str,
        local_metadata: Mapping[str, tuple[int, int] | None],
        *args: object,
    ) -> None:
        weight = state_dict.get(f"{prefix}linear.weight")
        if self.size is None and isinstance(weight, Tensor):
            self.size = local_metadata.get("size")
            self.linear.in_features = weight.size(-1)  # without it, a lazy layer does not reset its parameters
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def pool_to_size(x: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Maps :math:`(*, H, W)`, average-pooled to ``size`` unless they have it or it is ``None``."""
    return x if size is None or x.shape[-2:] == size else F.adaptive_avg_pool2d(x, size)
