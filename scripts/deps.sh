#!/bin/sh
# Installs what the tests need and the machine lacks: redis-server, PostgreSQL, SoftHSM,
# Chromium, a Node that is new enough, and the packages of the wallets in other
# languages, JavaScript and Python.
set -eu
cd "$(dirname "$0")/.."

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

missing=
command -v redis-server >/dev/null || missing="$missing redis-server"
# Debian keeps the server's programs out of the PATH.
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$missing postgresql"
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3 python3-venv"
command -v git >/dev/null || missing="$missing git"
command -v openssl >/dev/null || missing="$missing openssl"
# The pages are tested in a browser; the fonts are for the pictures it takes.
command -v chromium >/dev/null || missing="$missing chromium fonts-noto-cjk"
# Hardware modules are tested with one in software.
command -v softhsm2-util >/dev/null || missing="$missing softhsm2"
# The race detector and the package for hardware modules link with C.
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
if [ -n "$missing" ]; then
	echo "deps: installing$missing"
	as_root apt-get update -qq
	# shellcheck disable=SC2086 # one word for each package
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

wallet=internal/e2e/node
if [ -f "$wallet/package.json" ]; then
	if ! [ -d "$wallet/node_modules" ] || [ "$wallet/package-lock.json" -nt "$wallet/node_modules/.package-lock.json" ]; then
		echo "deps: installing the packages of the Node wallet"
		(cd "$wallet" && npm ci --no-audit --no-fund --silent)
	fi
	if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
		echo "deps: Node is older than 20; installing a newer one from npm"
		(cd "$wallet" && npm install --no-save --no-audit --no-fund --silent node@22)
	fi
fi

wallet=internal/e2e/python
if ! cmp -s "$wallet/requirements.txt" "$wallet/.venv/requirements.txt"; then
	echo "deps: installing the packages of the Python wallet"
	python3 -m venv --clear "$wallet/.venv"
	"$wallet/.venv/bin/pip" install -q --disable-pip-version-check --require-hashes -r "$wallet/requirements.txt"
	cp "$wallet/requirements.txt" "$wallet/.venv/requirements.txt"
fi
