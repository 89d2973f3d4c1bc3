#!/bin/bash
# Installs Debian's Docker Engine and registry and a static busybox where they are missing, with progress on
# standard error. A failure shows later, when the bed does not find them.
set -u
missing=()
command -v dockerd >/dev/null && command -v containerd >/dev/null || missing+=(docker.io)
command -v docker-registry >/dev/null || missing+=(docker-registry)
command -v busybox >/dev/null || missing+=(busybox-static)
[ ${#missing[@]} -eq 0 ] && exit 0
command -v apt-get >/dev/null || exit 0
echo "docker bed: installing ${missing[*]} with apt-get; only the first time" >&2
export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >&2; }
apt install -y --no-install-recommends "${missing[@]}" ||
  { apt update && apt install -y --no-install-recommends "${missing[@]}"; }
echo "docker bed: installed" >&2
exit 0
