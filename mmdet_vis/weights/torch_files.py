"""Files of ``torch.save``, read as plain data; other objects beside the weights are stand-ins that do nothing.

A checkpoint may hold the training program's arguments, a message hub or NumPy numbers. ``weights_only`` refuses their
names. Here each such name gets an empty class of its own, made on the spot and known to PyTorch's restricted reader for
the time of reading: nothing is imported, and what the file asks of the name (call it, fill it) is asked of the empty
class. Of the standard library only names that honest files hold are stood in for: a file that asks for ``os.system`` is
an attack, and stays refused.
"""

from __future__ import annotations

import logging
import pickle
import re
import struct
import sys
import threading
import warnings
from _compat_pickle import IMPORT_MAPPING
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from mmdet_vis.errors import CheckpointError, few

_LOGGER = logging.getLogger(__name__)

READ_ERRORS = (
    pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError,
    TypeError, AssertionError, struct.error,
)  # fmt: skip
"""What reading a damaged file raises."""

REFUSED = re.compile(r"GLOBAL (\S+)|Trying to call reduce for unrecognized function|Can only (?:build|create|SETITEM)")
"""What ``weights_only`` says of an object that is no weight; anything else it says is about broken bytes."""

MOST_NAMES = 200
"""More kinds of objects beside the weights are refused."""

_ASKED = re.compile(r"GLOBAL ([\w.<>]+) was not an allowed global")
_FILLED = re.compile(r"Can only (SETITEMS?|append)\b.*but got <class '([^']+)'>", re.DOTALL)
# Of the standard library: what pickled data and methods refer to.
_HARMLESS = re.compile(
    r"argparse\.Namespace|types\.SimpleNamespace|collections\.\w+|datetime\.\w+|pathlib\.(_local\.)?\w+|decimal\.Decimal"
    r"|fractions\.Fraction|uuid\.UUID|enum\.\w+|copyreg\._reconstructor|_codecs\.encode|functools\.partial"
    r"|re\._compile|time\.struct_time|logging\.\w+|typing\.\w+"
    r"|builtins\.(getattr|dict|list|tuple|int|float|str|bool|bytes|object|frozenset|slice|range|complex|bytearray|type)"
)
# With the names that its modules had in Python 2, which pickles of protocol 2 use.
_STANDARD = sys.stdlib_module_names | {name.partition(".")[0] for name in IMPORT_MAPPING}
_LOCK = threading.Lock()


class _Inert:
    """Takes whatever it is given and keeps nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _InertMapping:
    """A kind of dict: its entries may be the weights."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return OrderedDict()


class _InertList:
    """A kind of list."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return []


def read_torch(path: Path, beside_objects: bool = False) -> object:
    """Read a file of ``torch.save`` with ``weights_only``: plain data and tensors, on the CPU.

    With ``beside_objects``, objects of other kinds are stood in for, and named in the log.

    Raises:
        CheckpointError: it is damaged, or holds more than that.
    """
    try:
        with path.open("rb") as file, warnings.catch_warnings():  # of a name, torch.load would believe the ending
            warnings.simplefilter("ignore")  # about unusual files, which the errors below are about, too
            if not beside_objects:
                return torch.load(file, map_location="cpu", weights_only=True)
            content, names = load_beside_objects(file)
        if names and not is_inert(content):
            what = "left out %d kinds of Python objects beside the weights, without running anything (%s)"
            _LOGGER.warning(f"checkpoint %s: {what}", path, len(names), few(names))
        return content
    except MemoryError as error:
        raise CheckpointError(
            f"checkpoint {path} asks for more memory than there is: it is damaged, or too large for this machine"
        ) from error
    except READ_ERRORS as error:
        text = str(error)
        refused = REFUSED.search(text) if isinstance(error, pickle.UnpicklingError) else None
        if refused is not None:
            found = f" ({refused.group(1).rstrip('.')})" if refused.group(1) else ""
            raise _refusal(path, found) from error
        if "TorchScript" in text:
            raise CheckpointError(
                f"checkpoint {path} is a TorchScript program, not weights: use the weights"
            ) from error
        if "Unsupported operand" in text:
            raise CheckpointError(
                f"checkpoint {path} is damaged, or was saved with a pickle_protocol above 2: download it again, or "
                "save it again with the default"
            ) from error
        raise CheckpointError(f"checkpoint {path} is damaged or not a PyTorch file: download it again") from error


def load_beside_objects(file: IO[bytes]) -> tuple[object, list[str]]:
    """What a file of ``torch.save`` holds, objects that are no weights as empty stand-ins, and their names, sorted.

    Raises:
        Whatever :func:`torch.load` does; ``UnpicklingError`` also for names that are not stood in for.
    """
    kinds: dict[str, type] = {}
    while True:
        file.seek(0)
        try:
            with _known(kinds):
                return torch.load(file, map_location="cpu", weights_only=True), sorted(kinds)
        except pickle.UnpicklingError as error:
            if not _learn(str(error), kinds):
                raise


def _refusal(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {path} was refused: it holds Python objects besides weights{found}, which could run code "
        "when loaded; ask its author for a file with tensors only, or a safetensors file"
    )


def no_weights(path: Path, content: object) -> CheckpointError:
    """The error for what is held in the place of a dict of weights."""
    if is_inert(content):
        return _refusal(path, f" ({type(content).__module__}.{type(content).__qualname__})")
    return CheckpointError(f"checkpoint {path} holds a {type(content).__name__}, not a dict of weights")


def no_tensors(path: Path, content: Mapping[Any, Any]) -> CheckpointError:
    """The error for a dict that holds no tensor; objects in it may have been the weights."""
    objects = {str(key): type(value) for key, value in content.items() if isinstance(value, _Inert)}
    for key, kind in objects.items():
        if kind.__module__.startswith("numpy"):
            return CheckpointError(
                f"checkpoint {path} holds {len(objects)} NumPy objects ({key!r:.60}) and no tensors: save it again "
                "with tensors (torch.from_numpy of each array), or as safetensors"
            )
        if key in ("model", "ema", "net", "network", "module", "state_dict"):
            return CheckpointError(
                f"checkpoint {path} holds the model itself under {key!r}, a Python object "
                f"({kind.__module__}.{kind.__qualname__}), not its weights, and is not run: where it was trained, save "
                f"torch.load(...)[{key!r}].state_dict()"
            )
    return CheckpointError(f"checkpoint {path} holds no weights (keys: {', '.join(map(str, list(content)[:5]))})")


def is_inert(value: object) -> bool:
    """Whether a value is a stand-in."""
    return isinstance(value, _Inert) or (isinstance(value, type) and issubclass(value, _Inert))


def _learn(message: str, kinds: dict[str, type]) -> bool:
    """Note the name that reading failed for; False if it is not to be stood in for."""
    if (asked := _ASKED.search(message)) is not None:
        name = asked[1] if "." in asked[1] else f"builtins.{asked[1]}"
        is_harmless = _HARMLESS.fullmatch(name) or name.partition(".")[0] not in _STANDARD
        if name in kinds or len(kinds) >= MOST_NAMES or not is_harmless:
            return False
        kinds[name] = _Inert
        return True
    filled = _FILLED.search(message)
    if filled is None or kinds.get(filled[2]) is not _Inert:
        return False
    kinds[filled[2]] = _InertList if filled[1] == "append" else _InertMapping
    return True


@contextmanager
def _known(kinds: dict[str, type]) -> Iterator[None]:
    """Let PyTorch's reader find a stand-in under each name; what others have allowed stays as it was."""
    stands: list[Any] = []
    for name, kind in kinds.items():
        module, _, last = name.rpartition(".")
        stands.append(type(last, (kind,), {"__module__": module, "__qualname__": last}))
    with _LOCK:
        before = torch.serialization.get_safe_globals()
        torch.serialization.add_safe_globals(stands)
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)
