#!/bin/sh
# Runs every fuzz target for FUZZTIME, a number of inputs such as 1000x or a time
# such as 10s, and prints one line each. A package's targets share one binary.
# What a target finds stands in the package's testdata/fuzz and is a test case
# from then on.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
time=${FUZZTIME:-1000x}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ended says whether a run failed merely because its time was over while an
# input was still running: the toolchain then reports the deadline as a failure.
ended() {
	grep -q 'context deadline exceeded' "$1" && ! grep -q 'Failing input\|panic:' "$1"
}

status=0
count=0
for directory in $(git ls-files -co --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz' | xargs -n 1 dirname | sort -u); do
	# Any name does for -fuzz: it asks for the instruments that guide the fuzzer.
	go test -c -fuzz=Fuzz -o "$work/fuzz.test" "./$directory"
	for target in $(cat "$directory"/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' | sort); do
		count=$((count + 1))
		if (cd "$directory" && "$work/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" \
			-test.fuzzminimizetime 1x -test.parallel 2 -test.timeout 10m -test.fuzzcachedir "$work/cache/$directory") >"$work/log" 2>&1 ||
			ended "$work/log"; then
			# The last report says how many inputs ran and how many were new.
			echo "fuzz: $directory $target: $(sed -n 's/^fuzz: elapsed: [^,]*, //p' "$work/log" | tail -n 1)"
		else
			status=1
			echo "fuzz: $directory $target: FAILED"
			cat "$work/log"
		fi
	done
done
cd "$root"
echo "fuzz: $count targets, $time each"
exit "$status"
