# tries: to reach a host that is not on the list of the job
# expects: 403
# layer: gateway
# network: ["*.example.org"]
tunnel('example.com:443', 'example.org.example.com:443', 'xexample.org:443', 'example.org:443', os.environ['BAIT'], '1.1.1.1:443')
