#!/usr/bin/env python3
"""Writes roots.tsv, the list of roots that Mozilla trusts or once trusted for TLS servers.

In: a folder with one sub-folder for each release of the Python package certifi, named as the release, each made by
    pip install --no-deps --target RELEASE certifi==RELEASE
Out: roots.tsv beside this file. Releases bracket the dates; dates that are known better stand in DATES below.

Usage: make.py FOLDER
"""

import base64, hashlib, pathlib, re, subprocess, sys, datetime

HERE = pathlib.Path(__file__).parent

# Removal by the date on which golang.org/x/crypto/x509roots took it from NSS, by the start of the name.
REMOVED = {
    "2025-04-28": ["AAA Certificate Services", "Comodo AAA", "XRamp", "Starfield Class 2", "Go Daddy Class 2", "Baltimore CyberTrust Root",
                   "Entrust.net Certification Authority (2048)", "GlobalSign Root CA"],
    "2025-11-24": ["CommScope"],
    "2026-04-13": ["DigiCert Global Root CA", "DigiCert Assured ID Root CA", "DigiCert High Assurance EV Root CA",
                   "Entrust Root Certification Authority - G2", "Entrust Root Certification Authority - EC1", "AffirmTrust",
                   "QuoVadis Root CA 2", "QuoVadis Root CA 3", "Trustwave", "SecureTrust CA", "Secure Global CA",
                   "COMODO Certification Authority", "GTS Root R2", "SwissSign Gold CA - G2", "Certigna", "certSIGN ROOT CA",
                   "TeliaSonera Root CA v1", "Autoridad de Certificacion Firmaprofesional CIF A62634068", "GLOBALTRUST 2020"],
    "2026-06-15": ["SecureSign Root CA12", "Entrust Root Certification Authority"],
    "2026-07-20": ["Atos TrustedRoot 2011", "ePKI Root Certification Authority"],
}

DISTRUST_AFTER = {
    "2024-06-30": ["GLOBALTRUST 2020"],
    "2024-11-30": ["Entrust Root Certification Authority", "AffirmTrust"],
    "2025-04-15": ["ePKI Root Certification Authority"],
}

# Whose removal was a verdict on the operator, by a word of the subject.
VERDICTS = [
    (r"DigiNotar", "distrusted in 2011 after its systems were broken into"),
    (r"CNNIC|China Internet Network Information", "distrusted in 2015 after an intermediate was used to intercept"),
    (r"WoSign|StartCom|Certification Authority of WoSign", "distrusted in 2016 for back-dated and mis-issued certificates"),
    (r"PROCERT|PSCProcert", "distrusted in 2017 for mis-issuance"),
    (r"VeriSign|GeoTrust|thawte|Thawte|Symantec|Equifax", "the Symantec roots, distrusted from 2018 for mis-issuance"),
    (r"Camerfirma", "distrusted in 2021 for repeated mis-issuance"),
    (r"TrustCor", "distrusted on 2022-11-30 for its ties to a maker of spyware"),
    (r"E-Tugra|E-TUGRA", "distrusted in 2023 for weak security"),
    (r"GLOBALTRUST", "distrusted for certificates issued after 2024-06-30: repeated failures of compliance"),
    (r"Entrust|AffirmTrust", "distrusted for certificates issued after 2024-11-30: repeated failures of compliance"),
    (r"ePKI", "distrusted for certificates issued after 2025-04-15: repeated failures of compliance"),
    (r"TURKTRUST|T.RKTRUST", "gave up after intermediates had been issued by mistake and used to intercept"),
]


def der(data, at):
    """Tag, content and end of the element at an offset."""
    tag, length, head = data[at], data[at + 1], 2
    if length & 0x80:
        count = length & 0x7F
        length, head = int.from_bytes(data[at + 2 : at + 2 + count], "big"), 2 + count
    return tag, at + head, at + head + length


def public_key(cert):
    _, tbs, _ = der(cert, der(cert, 0)[1])
    at = tbs
    if cert[at] == 0xA0:
        at = der(cert, at)[2]
    for _ in range(5):  # serial, algorithm, issuer, validity, subject
        at = der(cert, at)[2]
    return cert[at : der(cert, at)[2]]


def about(cert):
    out = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-enddate", "-nameopt", "RFC2253,utf8,-esc_msb"],
        input=cert, capture_output=True, check=True).stdout.decode()
    subject = re.search(r"subject=(.*)", out).group(1)
    end = datetime.datetime.strptime(re.search(r"notAfter=(.*)", out).group(1), "%b %d %H:%M:%S %Y %Z").date()
    def part(name):
        found = re.search(r"(?:^|[,+])" + name + r"=((?:\\.|[^,+\\])*)", subject)
        return found and re.sub(r"\\(.)", r"\1", found.group(1))
    if part("CN") == "GlobalSign" and part("OU"):
        return subject, part("OU"), end
    return subject, part("CN") or part("OU") or part("O") or subject, end


def dated(table, name, exact):
    for date, names in table.items():
        for known in names:
            if name == known or (name.startswith(known) and known not in exact):
                return date
    return ""


def main():
    releases = {}
    for folder in pathlib.Path(sys.argv[1]).iterdir():
        if re.match(r"\d{4}\.", folder.name) and (folder / "certifi/cacert.pem").exists():
            date = datetime.date(*map(int, folder.name.split(".")[:3])).isoformat()
            releases[date] = (folder / "certifi/cacert.pem").read_text(encoding="utf-8")
    dates = sorted(releases)
    seen = {}
    for date in dates:
        for text in re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END", releases[date], re.S):
            seen.setdefault(base64.b64decode(text), []).append(date)
    rows = []
    living = {public_key(cert) for cert, when in seen.items() if when[-1] == dates[-1]}
    exact = {"Entrust Root Certification Authority", "GlobalSign Root CA", "QuoVadis Root CA 2", "QuoVadis Root CA 3", "Certigna",
             "DigiCert Global Root CA"}
    for cert, when in seen.items():
        subject, name, end = about(cert)
        current = when[-1] == dates[-1]
        later = [date for date in dates if date > when[-1]]
        removed = "" if current else dated(REMOVED, name, exact)
        # The package leaves out a distrusted root some months before it is removed; an older certificate of the same name left long before.
        if removed and abs(datetime.date.fromisoformat(removed) - datetime.date.fromisoformat(later[0])) > datetime.timedelta(300):
            removed = ""
        exactly = bool(removed)
        removed = removed or ("" if current else later[0])
        reason = ""
        if not current:
            if public_key(cert) in living:
                reason = "replaced by another certificate of the same key"
            elif end.isoformat() < removed:
                reason = "it expired on " + end.isoformat()
            else:
                reason = next((why for word, why in VERDICTS if re.search(word, subject)), "")
                size = len(public_key(cert))
                if not reason and size < 180 and b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" in public_key(cert):
                    reason = "its RSA key has only 1024 bits"
        distrust = dated(DISTRUST_AFTER, name, {"Entrust Root Certification Authority - G4"})
        note = "limited to .tr by Mozilla" if "TUBITAK" in subject else reason
        rows.append((hashlib.sha256(cert).hexdigest(), hashlib.sha256(public_key(cert)).hexdigest(), when[0],
                     "" if current else ("" if exactly else "~") + removed, distrust, name.replace("\t", " "), note))
    rows.sort(key=lambda row: (row[3] != "", row[5].lower(), row[0]))
    with open(HERE / "roots.tsv", "w", encoding="utf-8") as out:
        out.write(f"# sidelight roots 1\n# as of {dates[-1]}\n")
        out.write("# sha256 of the certificate, sha256 of its SubjectPublicKeyInfo, first seen, removed (~ at the latest), distrusted after, name, note\n")
        for row in rows:
            out.write("\t".join(row) + "\n")
    print(len(rows), "roots,", sum(row[3] == "" for row in rows), "current")


main()
