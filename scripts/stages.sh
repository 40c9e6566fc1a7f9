# Stages for scripts/test: each reports its time, and one function at a time can run in a lane of its own. Needs `say`.

# Files of the stages, which are deleted when the script ends.
kept=$(mktemp -d)
lane=
leave() {
  # The lane may have ended already.
  if [ -n "$lane" ]; then kill -- "-$lane" 2>/dev/null || true; fi
  rm -rf "$kept"
}
trap leave EXIT

# Sets `cpu_seconds` to the processor time of all commands that this shell has waited for, without the lanes that have ended.
# On a busy machine the elapsed time depends on other processes; this figure hardly does.
count_cpu_seconds() {
  local of_children spent
  # A pipe or a substitution would start another shell, and `times` would report on that one.
  times >"$kept/cpu-$lane_name"
  of_children=$(sed -n 2p "$kept/cpu-$lane_name")
  cpu_seconds=0
  for spent in $of_children; do
    spent=${spent%[.,]*}
    cpu_seconds=$((cpu_seconds + 60 * ${spent%m*} + ${spent#*m}))
  done
  if [ -z "$lane_name" ]; then cpu_seconds=$((cpu_seconds - $(lanes_cpu_seconds))); fi
}

# The processor time of the lanes that have ended.
lanes_cpu_seconds() {
  local file sum=0
  for file in "$kept"/lane-cpu-*; do
    if [ -e "$file" ]; then sum=$((sum + $(cat "$file"))); fi
  done
  echo "$sum"
}

# Begins a stage and ends the previous one: prints how long that took, and records it for the end. A lane has its own stages.
stage_name= stage_began=$SECONDS stage_cpu=0 cpu_seconds=0 lane_name=
stage() {
  end_stage
  count_cpu_seconds
  stage_name=$1 stage_began=$SECONDS stage_cpu=$cpu_seconds
  say "$1"
}
end_stage() {
  if [ -n "$stage_name" ]; then
    count_cpu_seconds
    printf '%5d s, %5d s of CPU  %s\n' $((SECONDS - stage_began)) $((cpu_seconds - stage_cpu)) "$stage_name" |
      tee -a "$kept/times" | sed 's/^ */-- took /'
  fi
  stage_name=
}

# Some tests kill child processes on purpose, and QEMU prints a line for each. If everything passed, their number is enough.
without_deaths() {
  awk '/^qemu: uncaught target signal / { deaths++; next }
    { print }
    END { if (deaths) printf "-- not shown: %d lines \"qemu: uncaught target signal\" from children that tests kill on purpose\n", deaths }'
}

# Starts a function in a lane that runs in parallel with the rest of the script, to keep all processors busy. `await` prints its
# output. If the function fails, the whole script fails.
beside() {
  say "started in parallel: $1; its output follows at the end"
  set -m
  (set -e; stage_name= lane_name=$1; "$1"; end_stage; echo "$cpu_seconds" >"$kept/lane-cpu-$1") >"$kept/$1" 2>&1 </dev/null &
  lane=$! beside_name=$1
  set +m
}
await() {
  local status=0
  end_stage
  wait "$lane" || status=$?
  lane=
  say "output of $beside_name, which ran in parallel"
  if [ "$status" != 0 ]; then
    cat "$kept/$beside_name"
    say "FAILED: $beside_name"
    exit "$status"
  fi
  without_deaths <"$kept/$beside_name"
}

# Ends the last stage.
all_passed() {
  end_stage
  count_cpu_seconds
  say "all passed with $((cpu_seconds + $(lanes_cpu_seconds))) s of CPU; the stages, some of which ran in parallel"
  cat "$kept/times"
}
