# tries: to reach the network around the host
# expects: 403
# layer: gateway
# network: open
tunnel(*(f'{host}:80' for host in ['10.0.0.1', '172.16.0.1', '172.17.0.1', '192.168.1.1', '100.64.0.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '[fe80::1]', '[fc00::1]', '[ff02::1]']))
