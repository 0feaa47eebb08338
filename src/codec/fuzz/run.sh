#!/bin/sh
# What the Makefile here does with the fuzzer.
#
#   run.sh probe BUILD COMPILER LIBR               can this machine build and run it at all?
#   run.sh run BUILD RESULTS RUNS SEED [INPUT...]    runs it, leaves "passed failed" in RESULTS
#
# The sanitizers may be missing from the compiler, and R may have been built without its library.
set -u
build=$2
mkdir -p "$build"

probe() {
  if [ -n "$2" ]; then
    printf 'int main() { return 0; }\n' >"$build/probe.cpp"
    if $1 "$build/probe.cpp" -o "$build/probe" $2 2>"$build/probe.log" &&
      ASAN_OPTIONS=detect_leaks=0 "$build/probe" >>"$build/probe.log" 2>&1; then
      return 0
    fi
  else
    echo "R was built without libR" >"$build/probe.log"
  fi
  echo "fuzzing of the codec: SKIPPED, this machine cannot build or run it:"
  sed 's/^/  | /' "$build/probe.log" | head -n 3
  return 1
}

run() {
  results=$1
  shift
  mkdir -p "$results"
  "$build/fuzz" seeds.R "$build" "$@" >"$build/log" 2>&1
  status=$?
  if [ $status -eq 0 ]; then counts="1 0"; else counts="0 1"; fi
  echo "$counts" >"$results/codec-fuzz"
  if [ $status -eq 0 ]; then tail -n 2 "$build/log"; else cat "$build/log"; fi
  echo "fuzzing of the codec: ${counts% *} passed, ${counts#* } failed"
  return $status
}

case $1 in
  probe) probe "$3" "$4" ;;
  run)
    shift 2
    run "$@"
    ;;
esac
