"""The commands ``pyg-video fit``, ``validate``, ``test`` and ``predict`` on data sets, by LightningCLI."""

import json
import logging
import re
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pydoc import locate
from typing import Any, cast

from jsonargparse import ArgumentError, ArgumentParser, Namespace
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.cli import ArgsType, LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.utilities.exceptions import SIGTERMException

from .._checks import naming
from .._config import merged_config
from .._extras import need
from .._files import write_table
from ..models import UnknownModelError, model_options
from ..training import AtomicCheckpointIO, ExportBest, Prediction, VideoClassification, VideoData, last_checkpoint
from ..training.callbacks import BEST, BestCheckpoint
from ..training.data import CachedFeatures, MultiSyncMNISTData, SomethingSomethingData, SyncMNISTData, VideoFolderData
from .parsing import take_option
from .resuming import check_counters, check_fits, read_whole

_STRICT = {"exit_on_error": False, "allow_abbrev": False}
_MODULES = (SyncMNISTData, MultiSyncMNISTData, SomethingSomethingData, VideoFolderData, CachedFeatures)
_DATA = tuple(data.__name__ for data in _MODULES)
_CONFIG = ("-c", "--config")


class VideoCLI(LightningCLI):
    """``pyg-video``: :class:`VideoClassification` on any :class:`VideoData`."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(BestCheckpoint, "checkpoint")
        parser.set_defaults({f"checkpoint.{name}": value for name, value in BEST.items()})
        for name in ("num_classes", "frame_size", "label_names", "num_frames", "frame_rate"):
            parser.link_arguments(f"data.{name}", f"model.{name}", apply_on="instantiate")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        self._files = take_option(cast(list[str], args), *_CONFIG)[0]
        with _naming_files(self._files):
            self.config = parser.parse_args(with_one_config(cast(list[str], args)))
            given = self.config[self.config.subcommand]
            _name_the_class(given.model)
            _check_null(given.data)

    def _set_seed(self) -> None:
        with _naming_files(self._files):
            super()._set_seed()

    def _parse_ckpt_path(self) -> None:
        """Nothing: Lightning would let the checkpoint's options win over those of the command line."""

    def instantiate_classes(self) -> None:
        path = self._get(self.config, "ckpt_path", default=None)
        given = path not in (None, "best", "last", "hpc")
        if not given and self.subcommand != "fit":
            raise ValueError(
                f"Expected 'ckpt_path' for {self.subcommand} (got {path}, which may score random weights); "
                "give --ckpt_path runs/.../checkpoints/best.ckpt"
            )
        saved = read_whole(path) if given else {}  # before the data, which may take long
        with _naming_files(self._files):
            super().instantiate_classes()
        if given:
            with naming(path, "a checkpoint of VideoClassification", keep=(UnknownModelError,)):
                check_fits(saved, cast(VideoClassification, self.model))
                if self.subcommand == "fit":
                    check_counters(saved.get("loops"), {"fit_loop": self.trainer.fit_loop.state_dict()})

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        if self.subcommand != "fit":
            self.save_config_callback = None
        config = self._get(self.config_init, "trainer")
        if config["logger"] is None and self.subcommand == "fit":
            need("tensorboard", "train")
            folder = config["default_root_dir"]
            table = CSVLogger(folder, name="")  # first: it warns where it finds files in its folder
            kwargs["logger"] = [table, TensorBoardLogger(folder, name="", version=table.version)]
        elif config["logger"] is None:
            kwargs["logger"] = False
        return super().instantiate_trainer(plugins=[*(config["plugins"] or []), AtomicCheckpointIO()], **kwargs)

    def fit(self, **kwargs: Any) -> None:
        """The command ``pyg-video fit``; what is raised before training begins is about the files that it is given."""
        begun = _Begun()
        cast(Any, self.trainer).callbacks.append(begun)
        try:
            self.trainer.fit(**kwargs)
        except Exception as error:
            resumed, ours = kwargs.get("ckpt_path") or "", str(error).startswith("Expected ")
            if begun.yet or not (ours or resumed):
                raise
            state = "the state of a training", "use an earlier one, or start anew"
            with _naming_files(self._files) if ours else naming(resumed, *state):
                raise

    def predict(self, **kwargs: Any) -> None:
        """The command ``pyg-video predict`` on a data set."""
        predictions = cast(list[Prediction], self.trainer.predict(**kwargs))
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        path = Path(self.trainer.default_root_dir, f"predictions{f'_{rank}' if world_size > 1 else ''}.csv")
        ids = getattr(getattr(self.datamodule, "test", None), "ids", ())
        write_predictions(path, predictions, first=rank, step=world_size, ids=ids)
        print(f"Predictions are in {path}")


class _Begun(Callback):
    """Whether training began."""

    yet = False

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.yet = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.yet = True


def run(arguments: Sequence[str]) -> int:
    """Run one command, the first of ``arguments``, and return the exit code."""
    command = arguments[0]
    if any(argument.partition("=")[0] == "--checkpoint" for argument in arguments):
        raise ValueError(
            f"Expected '--ckpt_path' with a .ckpt file for {command} on a data set (got '--checkpoint', which is for "
            "evaluate and for predict on videos)"
        )

    class OneCommand(VideoCLI):  # a parser for each of the four takes most of a second
        @staticmethod
        def subcommands() -> dict[str, set[str]]:
            return {command: LightningCLI.subcommands()[command]}

    _hush()
    trainer_defaults = {
        "default_root_dir": "runs",
        "gradient_clip_val": 1.0,
        "use_distributed_sampler": False,  # VideoData distributes the clips
        "callbacks": [last_checkpoint(), ExportBest()],
    }
    try:
        OneCommand(
            VideoClassification,
            VideoData,
            subclass_mode_data=True,
            seed_everything_default=0,
            trainer_defaults=trainer_defaults,
            parser_kwargs={**_STRICT, command: _STRICT},
            auto_configure_optimizers=False,
            save_config_kwargs={"overwrite": True},
            args=list(arguments),
        )
    except (ArgumentError, MisconfigurationException, ValueError) as error:
        raise ValueError(_readable(error)) from error
    except SIGTERMException:  # which would end the process with exit code 0
        return 128 + signal.SIGTERM
    return 0


def with_one_config(arguments: Sequence[str]) -> list[str]:
    """The same arguments with all configuration files merged into one, see :func:`~pyg_video._config.merged_config`.

    jsonargparse would replace ``model_options`` as a whole. Options on the command line win wherever they stand.
    """
    files, others = take_option(arguments, *_CONFIG)
    if not files:
        return others
    return [*others[:1], f"--config={json.dumps(merged_config(files))}", *others[1:]]


def write_predictions(
    path: Path, predictions: Sequence[Prediction], *, first: int = 0, step: int = 1, ids: Sequence[str] = ()
) -> None:
    """A table with one row per clip: number or id, true and predicted class, the latter's probability and name."""
    answers: list[tuple[object, ...]] = []
    for batch in predictions:
        names = batch.name or [""] * len(batch.label)
        confidence = batch.probability.amax(dim=-1)
        answers += zip(batch.target.tolist(), batch.label.tolist(), confidence.tolist(), names, strict=True)
    numbers = (first + step * k for k in range(len(answers)))
    rows = ((ids[k] if ids else k, *answer) for k, answer in zip(numbers, answers, strict=True))
    write_table(path, [("clip", "target", "label", "probability", "name"), *rows])


def _name_the_class(model: Namespace) -> None:
    """Turn a model as ``class_path`` and ``init_args`` into the name of its class and ``model_options``."""
    if isinstance(model.model, str):
        return
    if model.model_options:
        raise ValueError(
            f"Expected the options of {model.model.class_path} in its init_args (got 'model_options' as well)"
        )
    name, given = model.model.class_path, model.model.get("init_args", Namespace()).as_dict()
    defaults = model_options(name)  # jsonargparse puts them all in; those of the data take their place
    model.model_options = {key: value for key, value in given.items() if value != defaults.get(key)}
    model.model = name


def _check_null(data: Namespace) -> None:
    """Raise unless ``null`` stands for options only that can be it: jsonargparse takes it for all of a subclass."""
    if None in (given := data.get("init_args", Namespace()).as_dict()).values():
        parser = ArgumentParser(exit_on_error=False)
        parser.add_class_arguments(locate(data.class_path), "data")
        try:
            parser.validate(Namespace(data=Namespace(given)), skip_unset=False, skip_required=True)
        except TypeError as error:
            raise ValueError(error) from error


@contextmanager
def _naming_files(files: Sequence[str]) -> Iterator[None]:
    """Name the files of a configuration, if there are some, in errors about what it says."""
    with naming(" and ".join(files), "a configuration of pyg-video fit") if files else nullcontext():
        try:
            yield
        except (ArgumentError, MisconfigurationException, ValueError) as error:
            raise ValueError(_readable(error)) from error


def _readable(error: Exception) -> str:
    """The message of an error without what jsonargparse says about types; for wrong options, with what to do."""
    message = " ".join(str(error).split())
    # jsonargparse tries an option as a number or an object and as None, and tells why both failed.
    none = r"Expected a <class 'NoneType'>"
    both = re.compile(
        rf"(.*)Does not validate against any[^\]]*\] Errors: (?:- {none} )?- (.*?)(?: - {none})?"
        r"(?: Given value type: .*? Given value: (\S+).*)?"
    )
    while tried := both.fullmatch(message):  # the innermost first
        kind = re.fullmatch(r"Expected a <class '\w+'>", tried[2])
        message = tried[1] + tried[2] + (f". Got value: {tried[3]}" if kind else "")
    if not isinstance(error, ArgumentError):
        return message
    wrong_class = re.match(r'Parser key "data": - Expected a path but (\S+) either', message)
    if wrong_class:
        return f"Expected 'data' to be one of {', '.join(_DATA)} (got '{wrong_class[1]}')"
    if message.startswith('Parser key "data'):
        named = re.search(rf"class_path '[\w.]*\b({'|'.join(_DATA)})'", message)
        return f"{message}; --data.help {named[1] if named else _DATA[0]} lists its options"
    return f"{message}; --help lists all options"


def _hush() -> None:
    """Silence Lightning's notes about seeds, other products, its internals and the number of workers."""
    logging.getLogger("lightning_fabric.utilities.seed").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(lambda record: "Tip:" not in record.msg)
    warnings.filterwarnings("ignore", ".*does not have many workers", module="pytorch_lightning")
    warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)", FutureWarning)
    warnings.filterwarnings("ignore", ".*The dirpath has changed", module="pytorch_lightning")  # to another version_N
