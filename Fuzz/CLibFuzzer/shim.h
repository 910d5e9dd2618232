#include <stddef.h>
#include <stdint.h>

/* Runs libFuzzer with a target of the caller's choice (LLVM, "Using libFuzzer as a library"). */
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*target)(const uint8_t *data, size_t size));
