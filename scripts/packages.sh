# Shared by the scripts: progress messages, and the installation of Debian packages.

say() { printf '\n== %s (after %d s)\n' "$*" "$SECONDS"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() {
  if ! command -v apt-get >/dev/null; then
    echo "missing: $*; this script can install packages only with apt-get" >&2
    exit 1
  fi
  say "installing Debian packages: $*"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
