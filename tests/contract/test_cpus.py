"""No number hangs on the CPU: the key cases give the same under the oldest instructions as under
the best that this machine has (and, where that is AVX-512, as under the kernels made for AVX2).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from fixtures.key_cases import CASES, every_number

SCRIPT = Path(__file__).parent.parent / "fixtures" / "key_cases.py"
FLAGS = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
OLDEST = {
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3",
    "NUMBA_CPU_NAME": "generic",
}
SETTINGS = {"oldest": OLDEST}
SETTINGS |= {"haswell": {"OPENBLAS_CORETYPE": "Haswell"}} if "avx512f" in FLAGS else {}
FARTHEST = 1e-9  # of the largest number of an array


@pytest.fixture(scope="module")
def ours() -> dict[str, np.ndarray]:
    """What the key cases give in this process, which the suite leaves as the machine is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return arrays(every_number())


def arrays(numbers) -> dict[str, np.ndarray]:
    return {key: np.asarray(value) for key, value in numbers.items()}


def numbers(name: str) -> dict[str, np.ndarray]:
    """What the key cases give in a process of their own."""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT)],
        env=os.environ | SETTINGS[name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    return arrays(json.loads(process.stdout))


@pytest.mark.skipif("avx2" not in FLAGS, reason="this machine has no newer instructions to leave")
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_key_cases_are_the_same_on_another_cpu(ours, setting):
    theirs = numbers(setting)
    assert ours.keys() == theirs.keys()
    assert {key.split(":")[0] for key in ours} == set(CASES)
    for key, array in ours.items():
        size = np.abs(array).max(initial=0.0)
        if "choice" in key:
            assert array.tolist() == theirs[key].tolist(), key
        np.testing.assert_allclose(
            theirs[key], array, rtol=0, atol=FARTHEST * max(size, 1e-300), err_msg=key
        )
