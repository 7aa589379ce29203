# tries: to reach an abstract socket of another job's
# expects: ECONNREFUSED
# layer: namespaces
def reach(): socket.socket(socket.AF_UNIX).connect('\0victim')
attempt(reach)
