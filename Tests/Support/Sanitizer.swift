import Glibc

/// Whether this process was built with AddressSanitizer or ThreadSanitizer, and with it the programs that tests start.
/// Their allocators keep what is freed, so that a process's size says nothing of its program.
package let isSanitized = unsafe isThreadSanitized || dlsym(nil, "__asan_init") != nil

/// Whether this process was built with ThreadSanitizer, whose library has to be the first that a program loads.
package let isThreadSanitized = unsafe dlsym(nil, "__tsan_init") != nil
