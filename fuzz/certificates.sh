#!/bin/sh
# Makes the corpus of the target `certificate` with OpenSSL: [length, leaf][length, issuer][OCSP response].
# The keys are new in each run and thrown away. In: nothing. Out: corpus/certificate/*, next to this file.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
out=$here/corpus/certificate
mkdir -p "$out"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
# issue NAME SUBJECT ISSUER EXTENSIONS [MORE…]
issue() {
    name=$1 subject=$2 issuer=$3 extensions=$4
    shift 4
    key "$name"
    openssl req -new -key "$name.key" -subj "$subject" -out "$name.csr"
    printf '%b' "$extensions" >"$name.ext"
    if [ "$name" = "$issuer" ]; then sign="-signkey $name.key"; else sign="-CA $issuer.pem -CAkey $issuer.key"; fi
    # shellcheck disable=SC2086 # $sign is several words
    openssl x509 -req -in "$name.csr" $sign -extfile "$name.ext" -set_serial 4660 -out "$name.pem" "$@" 2>/dev/null
    openssl x509 -in "$name.pem" -outform DER -out "$name.der"
}
# join NAME LEAF ISSUER RESPONSE
join() {
    for part in "$2" "$3"; do
        length=$(wc -c <"$part")
        printf "\\$(printf %03o $((length / 256)))\\$(printf %03o $((length % 256)))"
        cat "$part"
    done >"$out/$1"
    cat "$4" >>"$out/$1"
}

ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature\nsubjectKeyIdentifier=hash\n'
issue root '/O=Example/CN=Example Root' root "$ca" -days 36500
issue leaf '/CN=registry.test' root 'subjectAltName=DNS:registry.test,DNS:*.registry.test,IP:192.0.2.1,IP:2001:db8::1,email:a@b.test,URI:spiffe://a/b\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\nauthorityInfoAccess=caIssuers;URI:http://ca.test/root.der\n' -days 36000
issue expired '/CN=old.test' root 'subjectAltName=DNS:registry.test\n' -days -1
issue alone '/CN=registry.test' alone 'subjectAltName=DNS:other.test\nbasicConstraints=CA:TRUE\n' -days 36000
issue odd '/O=R\303\266ntgen/O=Two/CN=a/CN=*.b.test' root 'subjectAltName=otherName:1.2.3.4;UTF8:x,DNS:a.test\nextendedKeyUsage=clientAuth,1.2.3.4\nnameConstraints=permitted;DNS:.test\n' -days 36000

printf 'R\t991231235959Z\t261101000000Z\t1234\tunknown\t/CN=registry.test\n' >index
openssl ocsp -index index -rsigner root.pem -rkey root.key -CA root.pem -issuer root.pem -serial 4660 \
    -ndays 36000 -respout revoked.ocsp >/dev/null 2>&1
: >none

join sound leaf.der root.der none
join revoked leaf.der root.der revoked.ocsp
join expired expired.der root.der none
join self_signed alone.der alone.der none
join other_issuer leaf.der alone.der revoked.ocsp
join odd odd.der root.der none
join no_issuer leaf.der none none
