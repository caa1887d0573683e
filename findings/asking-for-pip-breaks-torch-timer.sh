#!/usr/bin/env bash
# One would guess that asking whether a package is there, importlib.util.find_spec("pip"), changes nothing, and that torch's Timer
# times a statement whatever was asked before. What happens on Python 3.11, the last with a distutils of its own: setuptools
# installs an import hook at start-up that answers every question for pip by taking its own distutils out of the way for the rest
# of the process. torch.utils.benchmark.Timer imports distutils and then setuptools, whose check of which distutils was loaded
# ends in a bare AssertionError that names a file and nothing else. The other way round, Timer first, all is well. What follows:
# ask importlib.metadata for packages' versions, which loads and hooks nothing; and where a benchmark fails with an AssertionError
# out of _distutils_hack, look for who asked for pip, in this process and before.
set -euo pipefail
python=$(command -v python3.11) || { echo "this is about Python 3.11" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 setuptools==84.2.1 numpy==2.4.6
cat > "$folder/timed.py" <<'PYTHON'
import importlib.metadata
import importlib.util
import sys
import warnings

warnings.simplefilter("ignore")
how = sys.argv[1]
if how == "find_spec":
    importlib.util.find_spec("pip")
elif how == "metadata":
    importlib.metadata.version("pip")
try:
    from torch.utils.benchmark import Timer

    Timer("x + 1", globals={"x": 1}).timeit(10)
except AssertionError as error:
    print(f"AssertionError: ...{str(error)[-len('distutils/core.py'):]}")
else:
    print("timed")
PYTHON
"$folder/venv/bin/python" -c "import setuptools, sys, torch; print('python', sys.version.split()[0], 'torch', torch.__version__, 'setuptools', setuptools.__version__)"
expected="nothing asked: timed
pip's version asked of importlib.metadata: timed
importlib.util.find_spec('pip'): AssertionError: ...distutils/core.py"
said="nothing asked: $("$folder/venv/bin/python" "$folder/timed.py" nothing)
pip's version asked of importlib.metadata: $("$folder/venv/bin/python" "$folder/timed.py" metadata)
importlib.util.find_spec('pip'): $("$folder/venv/bin/python" "$folder/timed.py" find_spec)"
echo "$said"
[ "$said" = "$expected" ] || { echo "this has changed; expected:" >&2; echo "$expected" >&2; exit 1; }
