# tries: to signal agentd by all other calls
# expects: EPERM ESRCH
# layer: users
info = struct.pack('iiii', 33, 0, -1, 0) + bytes(112)
attempt_all((signal.pidfd_send_signal, os.pidfd_open(AGENTD), 9), (call, 'tgkill', 1, 1, 9), (call, 'rt_sigqueueinfo', 1, 33, info),
            (os.killpg, 1, 9))
