#!/bin/sh
# Asks by a link or a QR code whether somebody is 20 or over.
# usage: VERIFIER=https://verifier.example API_KEY=… agecheck.sh
set -eu
api() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer $API_KEY" "$@"; }
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

created=$(api --json '{"preset": "age_check", "flow": "cross_device"}' "$VERIFIER/api/transactions")
id=$(printf %s "$created" | member id)
# Show this as a QR code. The characters & and = may come escaped in JSON.
printf '%s\n' "$created" | member link | sed 's/\\u0026/\&/g'

while :; do
  result=$(api "$VERIFIER/api/transactions/$id")
  [ "$(printf %s "$result" | member state)" = waiting ] || break
  sleep 1
done
printf '%s\n' "$result" # verified, refused or expired
case $result in *'"state":"verified"'*) ;; *) exit 1 ;; esac
