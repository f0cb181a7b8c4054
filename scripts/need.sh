#!/usr/bin/env bash
# Looks for what the tests need beside Go, Node and make: a C compiler (the race detector), a real
# redis-server, nginx, a browser and fonts for it, Tesseract, FFmpeg, a reader of PDFs. As root on Debian or Ubuntu it installs what is missing;
# otherwise it prints the one line to run, and the tests that need it say that they are skipped.
set -euo pipefail

missing=()
have() { command -v "$1" >/dev/null 2>&1; }
have cc || have gcc || have clang || missing+=(gcc libc6-dev)
have redis-server || missing+=(redis-server)
have nginx || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
have chromium || have chromium-browser || have google-chrome || missing+=(chromium)
if have fc-list && [ -n "$(fc-list :lang=zh family 2>/dev/null)" ]; then :; else
  missing+=(fontconfig fonts-noto-core fonts-noto-cjk)
fi
if have tesseract && tesseract --list-langs 2>/dev/null | grep -qx chi_sim; then :; else
  missing+=(tesseract-ocr tesseract-ocr-chi-sim)
fi
have curl || missing+=(curl ca-certificates)
have ffmpeg && have ffprobe || missing+=(ffmpeg)
have pdftotext || missing+=(poppler-utils poppler-data)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && have apt-get; then
  echo "Installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # Packages of a server must not start it here.
  apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
  echo "apt-get could not install: ${missing[*]}" >&2
else
  echo "Some tests need more than is here. To run them too:" >&2
  echo "  sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
fi
if [ "${CI:-}" = true ]; then exit 1; fi
