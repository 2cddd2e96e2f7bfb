"""List variants in which a chapter runs: threads, instruction sets, hash seeds, starts moved in their last digit."""

import platform
import random
from typing import NamedTuple

from poly import perturb
from poly.press import execute

# The settings of each library; with "native" it chooses for this processor. numpy's lists what to leave out.
INSTRUCTIONS: dict[str, dict[str, str]] = {
    "native": {},
    "avx512": {
        "ATEN_CPU_CAPABILITY": "avx512",
        "MKL_CBWR": "AVX512",
        "OPENBLAS_CORETYPE": "SkylakeX",
        "NUMBA_CPU_NAME": "skylake-avx512",
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NUMBA_CPU_NAME": "haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
    "default": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NUMBA_CPU_NAME": "nehalem",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    },
}
_X86 = ("x86_64", "AMD64")


class Variant(NamedTuple):
    """One way to execute a chapter.

    Attributes:
        threads: the number of threads.
        instructions: the name of an instruction set.
        perturbed: the seed with which starts are moved in their last digit; None: they are not.
    """

    threads: int
    instructions: str
    perturbed: int | None = None

    def variables(self) -> dict[str, str]:
        """Choose the environment variables of this variant, with a new hash seed."""
        threads = dict.fromkeys(execute.THREAD_VARIABLES, str(self.threads))
        moved = {} if self.perturbed is None else {perturb.VARIABLE: str(self.perturbed)}
        return threads | INSTRUCTIONS[self.instructions] | moved | {"PYTHONHASHSEED": str(random.randrange(2**32))}

    def folder(self) -> str:
        """Name the folder for results of this variant."""
        return "-".join(str(part) for part in self if part is not None)

    def __str__(self) -> str:
        moved = "" if self.perturbed is None else f", perturbed with seed {self.perturbed}"
        return f"{self.threads} {'thread' if self.threads == 1 else 'threads'}, {self.instructions}{moved}"


def variants() -> list[Variant]:
    """List all unperturbed variants that this processor supports; instruction sets have names only on x86."""
    import torch  # noqa: PLC0415  # slow to import, and the commands that render import this module

    sets = list(INSTRUCTIONS) if platform.machine() in _X86 else ["native"]
    if "avx512" in sets and torch.backends.cpu.get_cpu_capability() != "AVX512":
        sets.remove("avx512")
    return [Variant(threads, name) for name in sets for threads in (1, 2)]
