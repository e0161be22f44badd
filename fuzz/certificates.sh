#!/bin/sh
# Makes the corpora of the targets `certificate` and `paths` with OpenSSL: [length, leaf][length, issuer][OCSP response], and below.
# The keys are new in each run and thrown away. In: nothing. Out: corpus/certificate/* and corpus/paths/*, next to this file.
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

# The corpus of the target `paths`: [length, leaf][length, issuer][length, root][revocation list].
out=$here/corpus/paths
mkdir -p "$out"
# three NAME LEAF ISSUER ROOT LIST
three() {
    for part in "$2" "$3" "$4"; do
        length=$(wc -c <"$part")
        printf "\\$(printf %03o $((length / 256)))\\$(printf %03o $((length % 256)))"
        cat "$part"
    done >"$out/$1"
    cat "$5" >>"$out/$1"
}
leaf='keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:registry.test\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n'
issue top '/CN=Top' top 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n' -days 36500
issue middle '/CN=Middle' top 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' -days 36000
issue bound '/CN=Bound' top 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nnameConstraints=critical,permitted;DNS:other.test,excluded;IP:10.0.0.0/255.0.0.0,permitted;email:.test,excluded;dirName:dn\ncertificatePolicies=1.2.3.4,1.2.3.5\npolicyConstraints=critical,requireExplicitPolicy:0,inhibitPolicyMapping:0\n[dn]\nCN=Nobody\n' -days 36000
issue below '/CN=registry.test' middle "$leaf" -days 36000
issue within '/CN=registry.test' bound "${leaf}certificatePolicies=1.2.3.4\n" -days 36000
printf '[ca]\ndatabase=db\ndefault_md=sha256\ncrlnumber=number\n' >ca.conf
echo 01 >number
printf 'R\t991231235959Z\t261101000000Z\t1234\tunknown\t/CN=registry.test\n' >db
openssl ca -config ca.conf -name ca -gencrl -crldays 36000 -keyfile middle.key -cert middle.pem -out list.pem 2>/dev/null
openssl crl -in list.pem -outform DER -out list.der

three chain below.der middle.der top.der none
three revoked below.der middle.der top.der list.der
three constrained within.der bound.der top.der none
three missing below.der none top.der none
three alone alone.der none alone.der none
