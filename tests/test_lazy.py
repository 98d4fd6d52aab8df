"""Names that load when they are first used."""

import subprocess
import sys

import pytest

import avcl_teach
from avcl_teach import encoders, objectives
from avcl_teach.lazy import lazy_names
from avcl_teach.world import variants


@pytest.mark.parametrize("package", [avcl_teach, encoders, objectives, variants], ids=lambda p: p.__name__)
def test_every_name_is_there_and_is_listed(package):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name) is getattr(package, name)
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'no_such'"):
        package.no_such  # noqa: B018


def test_a_name_loads_its_module_and_no_other():
    code = (
        "import sys; from avcl_teach import encoders; held = set(sys.modules); encoders.DualEncoder; "
        "assert 'avcl_teach.encoders.towers' not in held and 'avcl_teach.encoders.towers' in sys.modules; "
        "assert 'avcl_teach.encoders.lip_speech' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_values_are_wrapped_once_and_kept():
    seen = []
    load, listed = lazy_names("json", {"JSONDecodeError": "decoder"}, wrap=lambda v: seen.append(v) or v)
    import json

    assert load("JSONDecodeError") is json.decoder.JSONDecodeError and seen == [json.decoder.JSONDecodeError]
    assert "JSONDecodeError" in listed() and "dumps" in listed()
