# tries: to ask the cloud's metadata service for keys
# expects: 403
# layer: gateway
# network: open
tunnel('169.254.169.254:80', '[fd00:ec2::254]:80', '168.63.129.16:80', '100.100.100.200:80', '[::ffff:a9fe:a9fe]:80', '2852039166:80', '192.0.0.192:80')
