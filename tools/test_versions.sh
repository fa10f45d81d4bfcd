#!/usr/bin/env bash
# The suite on other versions of what acrloss needs: tools/test_versions.sh lowest-direct|highest [PYTEST OPTIONS]
# lowest-direct takes the lower bound of each requirement in pyproject.toml, and the newest of what those need in turn.
# The environment is made anew each time, in .venv-oldest or .venv-newest.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
    lowest-direct) venv=.venv-oldest ;;
    highest) venv=.venv-newest ;;
    *) echo "usage: tools/test_versions.sh lowest-direct|highest [PYTEST OPTIONS]" >&2; exit 2 ;;
esac
resolution=$1
shift
rm -rf "$venv"
"${PYTHON:-python3}" -m venv "$venv"
# uv resolves to lowest versions, which pip cannot.
"$venv/bin/python" -m pip install --quiet uv
"$venv/bin/uv" pip install --python "$venv/bin/python" --resolution "$resolution" --editable '.[train,weights,dev]'
"$venv/bin/uv" pip freeze --python "$venv/bin/python" > "$venv/versions.txt"
OMP_NUM_THREADS=1 "$venv/bin/python" -m pytest -n auto "$@"
