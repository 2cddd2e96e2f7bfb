import platform

import pytest
import torch

from poly import perturb
from poly.press.execute import THREAD_VARIABLES
from poly.press.execute.variants import Variant, variants


def test_variants_set_threads_instructions_and_a_fresh_hash_seed() -> None:
    found = Variant(2, "avx2").variables()
    assert {found[name] for name in THREAD_VARIABLES} == {"2"}
    assert found["ATEN_CPU_CAPABILITY"] == "avx2"
    seeds = {Variant(1, "native").variables()["PYTHONHASHSEED"] for _ in range(5)}
    assert len(seeds) > 1
    assert str(Variant(1, "native")) == "1 thread, native"
    assert str(Variant(2, "default")) == "2 threads, default"


def test_the_matrix_is_threads_by_instruction_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    for capability, sets in (("AVX2", 3), ("AVX512", 4)):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda found=capability: found)
        assert len(set(variants())) == 2 * sets
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert set(variants()) == {Variant(1, "native"), Variant(2, "native")}


def test_a_perturbed_variant_sets_the_seed() -> None:
    assert Variant(2, "native", 7).variables()[perturb.VARIABLE] == "7"
    assert perturb.VARIABLE not in Variant(2, "native").variables()
    assert str(Variant(2, "native", 7)) == "2 threads, native, perturbed with seed 7"
    assert (
        len({each.folder() for each in (Variant(2, "native"), Variant(2, "native", 0), Variant(2, "native", 7))}) == 3
    )
