#!/bin/sh
# Which clients reach which servers. In: URLs; the clients' scripts beside this one. Out: lines "CLIENT URL ok" or "CLIENT URL no REASON".
cd "$(dirname "$0")" || exit 1

ask() {
  client=$1 url=$2
  shift 2
  if said=$("$@" 2>&1 </dev/null); then
    echo "$client $url ok"
  else
    echo "$client $url no $(echo "$said" | tr '\n' ' ' | tail -c 400)"
  fi
}

for url; do
  ask curl "$url" curl --silent --show-error --fail --max-time 30 "$url"
  ask python "$url" python3 reach.py "$url"
  ask git "$url" git ls-remote --exit-code "${url}git"
  ask wget "$url" wget --no-verbose --tries 1 --timeout 30 --output-document - "$url"
  ask node "$url" node reach.js "$url"
  ask go "$url" ./reach "$url"
  ask java "$url" java -XX:TieredStopAtLevel=1 -cp . Reach "$url"
done
