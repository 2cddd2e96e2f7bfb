import importlib

import pytest

from typed import MUTATED, TYPED


@pytest.mark.skipif(MUTATED, reason="mutants have a loader of their own")
@pytest.mark.parametrize("name", TYPED)
def test_types_are_checked_whatever_is_imported_before_the_tests(name: str) -> None:
    module = importlib.import_module(name)
    own = [value for value in vars(module).values() if getattr(value, "__module__", "") == name]
    checked = [value for value in own if hasattr(value, "__wrapped__")]
    assert checked or not [value for value in own if callable(value) and not isinstance(value, type)]
