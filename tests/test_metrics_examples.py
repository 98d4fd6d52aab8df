"""The examples in the docstrings of every metrics module give what they say."""

import doctest
import importlib
import pkgutil

import pytest
import torch

from avcl_teach import metrics

MODULES = sorted(found.name for found in pkgutil.iter_modules(metrics.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_the_docstrings(name):
    module = importlib.import_module(f"avcl_teach.metrics.{name}")
    with open(module.__file__, encoding="utf-8") as file:
        there = ">>> " in file.read()
    result = doctest.testmod(module, extraglobs={"torch": torch})
    assert result.failed == 0
    assert (result.attempted > 0) == there  # an example that no test finds would pass forever
