# tries: to stand between agentd and its gateway, as `agentd bridge` does
# expects: exit 1
# layer: users
ran = subprocess.run(['/opt/cagent/bin/agentd', 'bridge'], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
escaped(ran) if ran.returncode == 0 else refused(f'exit {ran.returncode}')
