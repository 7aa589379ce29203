# tries: to keep memory that cannot be swapped
# expects: ENOMEM
# layer: rlimits
# docker: ENOMEM | EPERM
attempt(call, 149, ctypes.addressof(ctypes.create_string_buffer(32 << 20)), 32 << 20)
