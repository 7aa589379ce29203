# tries: to call by the old gate, whose numbers are others
# expects: killed by 31 | killed by 11
# layer: seccomp
import mmap
def through_the_gate():
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
if (child := os.fork()) == 0: os._exit(through_the_gate() != os.getpid())
_, status = os.waitpid(child, 0)
refused(f'killed by {status}') if os.WIFSIGNALED(status) else escaped(status)
