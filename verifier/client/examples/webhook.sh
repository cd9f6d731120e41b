#!/bin/sh
# Checks by hand what the verifier sent to a webhook: reads the body, verifies its
# signature with curl and openssl, and prints the claims. Compare iss, aud and iat.
# usage: VERIFIER=https://verifier.example webhook.sh < body
set -eu
token=$(cat)
signature=${token##*.} signed=${token%.*}
header=${signed%%.*} claims=${signed#*.}
decode() { # base64url
  case $((${#1} % 4)) in 2) pad='==' ;; 3) pad='=' ;; *) pad='' ;; esac
  printf %s "$1$pad" | tr -- -_ +/ | base64 -d
}
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

[ "$(decode "$header" | member typ)" = secevent+jwt ]
kid=$(decode "$header" | member kid)
key=$(curl --silent --show-error --fail-with-body "$VERIFIER/webhooks/jwks" | tr '{' '\n' | grep -F "\"kid\":\"$kid\"" | grep -F '"alg":"ES256"')
{ # SubjectPublicKeyInfo of a key on P-256
  decode MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
  decode "$(printf %s "$key" | member x)"
  decode "$(printf %s "$key" | member y)"
} > "$folder/key"
hex=$(decode "$signature" | od -A n -v -t x1 | tr -d ' \n')
[ ${#hex} = 128 ]
printf 'asn1=SEQUENCE:s\n[s]\nr=INTEGER:0x%.64s\ns=INTEGER:0x%s\n' "$hex" "${hex#????????????????????????????????????????????????????????????????}" > "$folder/asn1"
openssl asn1parse -genconf "$folder/asn1" -noout -out "$folder/signature"
printf %s "$signed" | openssl dgst -sha256 -verify "$folder/key" -keyform DER -signature "$folder/signature" >&2
decode "$claims"
