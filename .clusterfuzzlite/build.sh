#!/usr/bin/env bash
# Builds the fuzz targets into $OUT, each with its dictionary and a seed corpus. ClusterFuzzLite and OSS-Fuzz run this script in
# their image. It also runs on any machine with cargo-fuzz. With stable Rust, turn the sanitizer off:
#
#   OUT=/tmp/out SANITIZER=none .clusterfuzzlite/build.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -d fuzz ] || cd "${SRC:?}/jitduel"

cargo fuzz build -O --sanitizer "${SANITIZER:-address}"
mkdir -p "${OUT:?the folder for the targets}"
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
for folder in basics traps regressions; do
  for program in corpus/"$folder"/*.stk; do cp "$program" "$seeds/$folder-$(basename "$program")"; done
done
host=$(rustc -vV | sed -n 's/^host: //p')
for target in fuzz/fuzz_targets/*.rs; do
  name=$(basename "$target" .rs)
  cp "fuzz/target/$host/release/$name" "$OUT/"
  # Three targets do not read text, so they start with an empty corpus and no dictionary.
  case "$name" in
    program | words | parallel_moves) ;;
    *)
      cp fuzz/words.dict "$OUT/$name.dict"
      (cd "$seeds" && python3 -m zipfile -c "$OUT/${name}_seed_corpus.zip" ./*.stk)
      ;;
  esac
done
ls -l "$OUT"
