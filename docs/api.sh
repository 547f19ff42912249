#!/usr/bin/env bash
# Runs the commands of api.md against a server that was just started on a new
# data directory: DATA=DIR docs/api.sh
set -eu # and not pipefail: what is cut short by head is no mistake
cd "$(dirname "$0")"
: "${DATA:?where the server keeps its data}"
eval "$(sed -n '/^```sh$/,/^```$/p' api.md | grep -v '^```' | sed "s#http://127.0.0.1:8080#${SERVER:-http://127.0.0.1:8080}#")"
