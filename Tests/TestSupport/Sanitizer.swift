import Glibc

/// Whether this process was built with AddressSanitizer or ThreadSanitizer, and with it the programs that tests start.
/// Their allocators keep what is freed, so that a process's size says nothing of its program.
package let isSanitized = unsafe dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
