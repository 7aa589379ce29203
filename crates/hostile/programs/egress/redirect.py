# tries: to be led to the API by a host that is allowed
# expects: 403
# layer: gateway
# network: open
import urllib.request, urllib.error
for variable in ['no_proxy', 'NO_PROXY']: os.environ.pop(variable, None)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({'http': 'http://127.0.0.1:3128'}))
try: escaped(opener.open(urllib.request.Request(f"http://{os.environ['BAIT']}/redirect", headers={"X-Api": os.environ["API"]}), timeout=20).read())
except urllib.error.HTTPError as error: refused(error.code)
