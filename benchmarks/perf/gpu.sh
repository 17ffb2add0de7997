#!/usr/bin/env bash
# Everything that needs a GPU, in one call of at most 8 minutes, from a bare checkout:
#   [NANOCL_DATA_ROOT=DIR] benchmarks/perf/gpu.sh [WHEELS]
# WHEELS is a folder with wheels of the packages that the machine lacks. Correctness comes first;
# the records and pages go to results/perf/ (OUT_FOLDER=DIR for another folder).
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${OUT_FOLDER:-results/perf}
mkdir -p "$out"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1

if [ $# -gt 0 ]; then
    site=$(mktemp -d)
    python3 -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$1"/*.whl || exit
    export PYTHONPATH="$site:$PYTHONPATH"
fi
if [ ! -d "${NANOCL_DATA_ROOT:-}" ]; then
    unset NANOCL_DATA_ROOT
fi
python3 -c "import nanocl.training.experiment" || exit

failed=0
part() { # seconds, then a command: one that fails or takes too long does not stop the others
    local limit=$1 left=$((480 - SECONDS))
    shift
    if [ "$left" -lt "$limit" ]; then
        limit=$((left > 1 ? left : 1))
    fi
    echo "== $* ($SECONDS s)"
    timeout "$limit" "$@" || { failed=1; echo "== failed or cut off after $limit s: $*"; }
}
perf=benchmarks/perf
part 120 python3 $perf/gpu_tests.py "$out" $(grep -rl mark.gpu tests) -n 12 --dist load -p no:cacheprovider
part 190 python3 $perf/gpu_runs.py --seeds 2 --out "$out"
part 80 python3 $perf/optimizers.py --device cuda --seconds 0.2 --shapes 1M 20M 100M --out "$out"
part 110 python3 $perf/suite.py --device cuda --repeats 1 --permuted digits --lengths 5 20 --out "$out"
if [ -n "${NANOCL_DATA_ROOT:-}" ]; then
    part 60 python3 $perf/seeds.py --device cuda --strategy adamw --repeats 1 --out "$out"
fi
part 45 python3 $perf/throughput.py --device cuda --workers 1 4 --seeds 4 --out "$out/throughput-gpu.md"
echo "== done in $SECONDS s, failures: $failed"
exit $failed
