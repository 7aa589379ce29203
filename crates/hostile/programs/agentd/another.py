# tries: to be another agentd
# expects: only a sandbox should start it
# layer: agentd
ran = subprocess.run(['/opt/cagent/bin/agentd'], capture_output=True, text=True, timeout=60)
said = 'only a sandbox should start it'
refused(said) if ran.returncode == 1 and said in ran.stderr else escaped((ran.returncode, ran.stderr))
