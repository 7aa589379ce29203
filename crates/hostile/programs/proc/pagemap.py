# tries: to learn where its pages lie in memory
# expects: only zeros
# layer: capabilities
block = ctypes.create_string_buffer(b'x' * 4096)
entry, = struct.unpack('Q', os.pread(os.open('/proc/self/pagemap', os.O_RDONLY), 8, ctypes.addressof(block) // 4096 * 8))
frame = entry & (1 << 55) - 1
escaped(hex(frame)) if frame else refused('only zeros')
