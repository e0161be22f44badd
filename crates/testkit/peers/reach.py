# Python's urllib. In: a URL, the proxy variables. Out: the status; 1 when it is not reached.
import sys
import urllib.request

print(urllib.request.urlopen(sys.argv[1], timeout=30).status)
