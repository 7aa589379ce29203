# tries: to move or drop agentd's pages
# expects: EACCES EPERM | EPERM
# layer: users
iovec = struct.pack('QQ', 0x400000, 4096)
attempt_all((call, 'move_pages', AGENTD, 1, struct.pack('Q', 0x400000), struct.pack('i', 0), bytes(4), 2),
            (call, 'migrate_pages', AGENTD, 64, bytes(8), b'\1' + bytes(7)),
            (call, 'process_madvise', os.pidfd_open(AGENTD), iovec, 1, 21, 0))
