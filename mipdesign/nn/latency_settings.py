"""How operations and networks are run when their latency is measured, and the line of a table that says so."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from ..errors import SpecError, require, short

MODES = {"cpu": ("eager", "compile", "onnxruntime"), "cuda": ("eager", "graph", "compile")}
"""Modes of each device: ``eager`` calls of torch's modules; ``graph``, the same kernels captured in a CUDA graph and
replayed; ``compile``, the kernels of ``torch.compile``, on CUDA captured likewise; ``onnxruntime``, the ONNX file."""
DTYPES = ("float32", "tf32", "float16", "bfloat16")
"""Types of numbers; ``tf32`` are float32 of which convolutions and the classifier on CUDA use ten bits of the mantissa.
torch's own default on CUDA is that for convolutions."""
MEMORY_FORMATS = ("contiguous", "channels_last")
FUSING = ("compile", "onnxruntime")
"""Modes that run a convolution with its normalisation and activation as one; tables of them have fused rows."""
MOST_THREADS = 1024
_NOW = re.compile(
    r"# mode (?P<mode>\w+), (?P<dtype>\w+), (?P<memory_format>\w+), TF32 (?P<tf32>on|off), (?P<name>.+), "
    r"(?P<threads>\d+) threads, (?P<versions>torch [^,]+(?:, onnxruntime [^,]+)?), median"
)
_BEFORE = re.compile(r"# (?P<versions>torch [^,]+), (?P<name>.+), (?P<threads>\d+) threads, float32, median")
"""The line as tables had it that knew no modes: eager, and on CUDA with TF32."""


@dataclass(frozen=True)
class Settings:
    """How something is run and measured.

    Attributes
    ----------
    device:
        ``cpu`` or ``cuda``.
    threads:
        Threads of torch, or of onnxruntime, on the CPU.
    seconds:
        Time spent on each operation, at least.
    mode, dtype, memory_format:
        See :data:`MODES`, :data:`DTYPES`, :data:`MEMORY_FORMATS`.
    """

    device: str = "cpu"
    threads: int = 1
    seconds: float = 0.05
    mode: str = "eager"
    dtype: str = "float32"
    memory_format: str = "contiguous"

    @property
    def fused(self) -> bool:
        """Whether a convolution with what follows it runs, and is measured, as one operation."""
        return self.mode in FUSING

    def check(self) -> None:
        """Refuses what does not go together, or not on this machine.

        Raises
        ------
        SpecError
            Naming the setting.
        MissingExtraError
            If torch, or for ``onnxruntime`` what that needs, is not installed.
        """
        require("torch", "torch", "measuring latency")
        import torch

        if self.mode not in MODES[self.device]:
            raise SpecError("mode", f"{self.device} has no mode {self.mode}", f"use one of: {', '.join(MODES[self.device])}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise SpecError("device", "torch sees no CUDA device", "use the device cpu")
        if self.dtype == "tf32" and self.device == "cpu":
            raise SpecError("dtype", "TF32 is of CUDA devices", "use float32")
        if self.mode == "onnxruntime":
            for package in ("onnx", "onnxscript", "onnxruntime"):
                require(package, "onnx", "the mode onnxruntime")
            if (self.dtype, self.memory_format) != ("float32", "contiguous"):
                field, value = ("dtype", self.dtype) if self.dtype != "float32" else ("memory_format", self.memory_format)
                raise SpecError(field, f"{value} is not of onnxruntime on a CPU", "use float32, contiguous, or another mode")
        compilers = [os.environ.get("CXX", ""), "g++", "clang++"]
        if self.mode == "compile" and self.device == "cpu" and not any(map(shutil.which, filter(None, compilers))):
            raise SpecError("mode", "compile needs a C++ compiler", "install one, such as g++, or use another mode")

    def comment(self) -> str:
        """The line that tells how a table was measured."""
        import torch

        name = torch.cuda.get_device_name() if self.device == "cuda" else "cpu"
        dtype, tf32 = ("float32", "on") if self.dtype == "tf32" else (self.dtype, "off")
        used = f"torch {torch.__version__}" + (f", onnxruntime {version('onnxruntime')}" if self.mode == "onnxruntime" else "")
        return f"# mode {self.mode}, {dtype}, {self.memory_format}, TF32 {tf32}, {name}, {self.threads} threads, {used}, median"


def described(line: str) -> dict[str, str]:
    """What the first line of a table tells: mode, dtype, memory format, TF32, name of the device, threads, versions; empty if
    it tells nothing."""
    if found := _NOW.fullmatch(line.strip()):
        return found.groupdict()
    if found := _BEFORE.fullmatch(line.strip()):
        tf32 = "off" if found["name"] == "cpu" else "on"
        return {"mode": "eager", "dtype": "float32", "memory_format": "contiguous", "tf32": tf32} | found.groupdict()
    return {}


def settings_of(line: str, seconds: float) -> Settings:
    """The settings by which a table was measured, from its first line.

    Raises
    ------
    SpecError
        If it does not tell, or was measured on a device that is not here.
    """
    told = described(line)
    if not told or told["dtype"] not in DTYPES or told["memory_format"] not in MEMORY_FORMATS:
        raise SpecError(
            "line 1", f"{short(line)} does not say how the table was measured", "use a table of 'mipdesign profile'"
        )
    threads = int(told["threads"][:5])
    if not 1 <= threads <= MOST_THREADS:
        raise SpecError("line 1", f"{threads} threads are refused", f"measure with 1 to {MOST_THREADS}")
    device = "cpu" if told["name"] == "cpu" else "cuda"
    dtype = "tf32" if told["tf32"] == "on" else told["dtype"]
    settings = Settings(device, threads, seconds, told["mode"], dtype, told["memory_format"])
    settings.check()
    if device == "cuda" and settings.comment().find(f", {told['name']}, ") < 0:
        raise SpecError("line 1", f"the table is of the device {short(told['name'])}", "measure there")
    return settings


@contextmanager
def running_as(settings: Settings) -> Iterator[None]:
    """Inference with the settings' threads, and with TF32 or without; what was before in the end."""
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    threads, before = torch.get_num_threads(), (cudnn.allow_tf32, matmul.allow_tf32)
    torch.set_num_threads(settings.threads)
    cudnn.allow_tf32 = matmul.allow_tf32 = settings.dtype == "tf32"
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)
        cudnn.allow_tf32, matmul.allow_tf32 = before
