# What scripts/test is made of: stages that say how long they took, and a lane of them beside the others. Wants `say`.

# What the stages keep until the script ends.
kept=$(mktemp -d)
lane=
leave() {
  # It may have ended already.
  if [ -n "$lane" ]; then kill -- "-$lane" 2>/dev/null || true; fi
  rm -rf "$kept"
}
trap leave EXIT

# Begins a stage, and ends the one before: says how long that took, and keeps it for the end. A lane has stages of its own.
stage_name= stage_began=$SECONDS
stage() {
  end_stage
  stage_name=$1 stage_began=$SECONDS
  say "$1"
}
end_stage() {
  if [ -n "$stage_name" ]; then
    printf '%5d s  %s\n' $((SECONDS - stage_began)) "$stage_name" | tee -a "$kept/times" | sed 's/^ */-- took /'
  fi
  stage_name=
}

# Tests let children die on purpose, and QEMU has a line for each of them. Where all went well their number is enough.
without_deaths() {
  awk '/^qemu: uncaught target signal / { deaths++; next }
    { print }
    END { if (deaths) printf "-- not shown: %d lines \"qemu: uncaught target signal\", of children that tests let die on purpose\n", deaths }'
}

# Starts a function beside what follows, so that the processors are busy also where one of the two keeps only one of them
# busy. What it says is kept until `await` shows it; the whole script fails where it has failed.
beside() {
  say "begun beside what follows: $1; what it says comes at its end"
  set -m
  (set -e; stage_name=; "$1"; end_stage) >"$kept/$1" 2>&1 </dev/null &
  lane=$! lane_name=$1
  set +m
}
await() {
  local status=0
  end_stage
  wait "$lane" || status=$?
  lane=
  say "ended, begun beside what came before: $lane_name"
  if [ "$status" != 0 ]; then
    cat "$kept/$lane_name"
    say "FAILED: $lane_name"
    exit "$status"
  fi
  without_deaths <"$kept/$lane_name"
}

# Ends the last stage.
all_passed() {
  end_stage
  say "all passed; the stages, some of them beside others"
  cat "$kept/times"
}
