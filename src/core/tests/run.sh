#!/bin/sh
# What the Makefile here does with a variant of the test program.
#
#   run.sh probe VARIANT BUILD RESULTS COMPILER    can this machine build and run it at all?
#   run.sh tests VARIANT BUILD RESULTS WHICH       runs it, leaves "passed failed" in RESULTS
#
# A sanitizer may be missing from the compiler. ThreadSanitizer may also refuse to run where
# addresses are randomised widely, and the leak checker where tracing is forbidden: then they run
# without randomisation, or without looking for leaks. Where MULTIPROCESSING_DEMAND is set, a sanitizer
# that is missing counts as a failure.
set -u
variant=$2
build=$3
mkdir -p "$build"

probe() {
  [ "$variant" = plain ] && return 0
  printf 'int main() { return 0; }\n' >"$build/probe.cpp"
  if $2 "$build/probe.cpp" -o "$build/probe" 2>"$build/probe.log"; then
    for launcher in "" "env ASAN_OPTIONS=detect_leaks=0" "setarch $(uname -m) -R"; do
      if $launcher "$build/probe" >>"$build/probe.log" 2>&1; then
        printf '%s' "$launcher" >"$build/launcher-$variant"
        return 0
      fi
    done
  fi
  what=SKIPPED
  if [ -n "${MULTIPROCESSING_DEMAND:-}" ]; then
    what=FAILED
    mkdir -p "$1" && echo "0 1" >"$1/core-$variant"
  fi
  echo "core tests ($variant): $what, this machine cannot build or run that sanitizer:"
  sed 's/^/  | /' "$build/probe.log" | head -n 3
  return 1
}

run_tests() {
  results=$1
  mkdir -p "$results"
  launcher=$(cat "$build/launcher-$variant" 2>/dev/null)
  $launcher "$build/$variant/tests" ${2:+"$2"} >"$build/$variant/log" 2>&1
  status=$?
  counts=$(sed -n \
    -e 's/^All tests passed (.* in \([0-9]*\) test case.*/\1 0/p' \
    -e 's/^test cases: .*| *\([0-9]*\) passed *| *\([0-9]*\) failed.*/\1 \2/p' \
    -e 's/^test cases: *\([0-9]*\) *| *\([0-9]*\) failed.*/0 \2/p' "$build/$variant/log" | tail -n 1)
  # No summary, or a bad exit in spite of a good one: the program died, or a sanitizer spoke.
  [ -n "$counts" ] || { grep -q '^No test' "$build/$variant/log" && [ $status -eq 0 ] && counts="0 0"; }
  [ -n "$counts" ] || counts="0 1"
  [ $status -eq 0 ] || [ "${counts#* }" != 0 ] || counts="${counts% *} 1"
  echo "$counts" >"$results/core-$variant"
  [ $status -eq 0 ] || cat "$build/$variant/log"
  echo "core tests ($variant): ${counts% *} passed, ${counts#* } failed"
  return $status
}

case $1 in
  probe) probe "$4" "$5" ;;
  tests) run_tests "$4" "${5:-}" ;;
esac
