# tries: to get out of a job that has no network
# expects: 403
# layer: gateway
# network: none
tunnel(os.environ['BAIT'], 'example.org:443', '1.1.1.1:443')
