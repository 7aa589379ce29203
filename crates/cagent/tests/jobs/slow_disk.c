/* Every write to a file takes time, as on a disk that is slower than what is to be written. Preloaded
   into a server by slow_disk.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE_MICROS = 8000, SYNC_MICROS = 100000 };

static void wait_for_disk(int fd, useconds_t micros) {
    struct stat found;
    if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) {
        usleep(micros);
    }
}

#define SLOW(type, name, micros, parameters, ...)                                                   \
    type name parameters {                                                                         \
        type(*real) parameters = (type(*) parameters)dlsym(RTLD_NEXT, #name);                      \
        wait_for_disk(fd, micros);                                                                 \
        return real(__VA_ARGS__);                                                                  \
    }

SLOW(ssize_t, write, WRITE_MICROS, (int fd, const void *from, size_t bytes), fd, from, bytes)
SLOW(ssize_t, writev, WRITE_MICROS, (int fd, const struct iovec *from, int count), fd, from, count)
SLOW(ssize_t, pwrite64, WRITE_MICROS, (int fd, const void *from, size_t bytes, off64_t at), fd, from,
     bytes, at)
SLOW(int, fsync, SYNC_MICROS, (int fd), fd)
SLOW(int, fdatasync, SYNC_MICROS, (int fd), fd)
