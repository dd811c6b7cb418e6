"""The peers: each in an environment of its own under .peers/, made on first use; a script runs
there, where it may import the benchmarks, and prints one JSON line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent.parent / ".peers"
PEERS = {
    "catenets": ("catenets==0.2.4", "torch==2.13.0"),
    "causalml": ("causalml==0.18.0", "lightgbm==4.7.0"),
    "causalml-tf": ("causalml==0.18.0", "tensorflow"),
    "econml": ("econml==0.17.0", "lightgbm==4.7.0"),
    "metalearners": ("metalearners==0.13.0", "scikit-learn==1.7.2", "polars", "lightgbm==4.7.0"),
    "scikit-uplift": ("scikit-uplift==0.5.1",),
    "torchsort": ("torch==2.13.0", "numpy", "setuptools", "wheel", "ninja"),
}
# Built against the torch beside it, by no nvcc but one of the system: its build fails where an nvcc
# is found and no CUDA.
BUILT_BESIDE = {"torchsort": "torchsort==0.1.10"}
ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "LOKY_MAX_CPU_COUNT",
    )
}


def python_of(peer: str) -> str:
    """The interpreter that has the peer; "equipoise" is the one that runs now.  Installing takes
    minutes, once.
    """
    if peer == "equipoise":
        return sys.executable
    home, wanted = HOME / peer, "\n".join(PEERS[peer])
    python, mark = home / "bin" / "python", home / "installed.txt"
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        print(f"installing {peer} in {home}", flush=True)
        venv.create(home, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, *PEERS[peer]], check=True)
        if peer in BUILT_BESIDE:
            path = os.environ | {"PATH": f"{home / 'bin'}:/usr/bin:/bin"}
            command = [*install, "--no-build-isolation", BUILT_BESIDE[peer]]
            subprocess.run(command, check=True, env=path)
        mark.write_text(wanted, encoding="utf-8")
    return str(python)


def run(peer: str, script: Path, *arguments: str) -> dict[str, Any]:
    """Run a script in the peer's environment, in a process and thread of its own, and read the last
    line it prints as JSON.
    """
    # -P: the files beside the script hide no module of the name
    command = [python_of(peer), "-P", "-W", "ignore", str(script), *arguments]
    folders = [str(HOME.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{peer}: {' '.join(command)}\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
