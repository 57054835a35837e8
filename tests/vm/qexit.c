/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * qexit N: ends the VM through QEMU's isa-debug-exit device at port 0xf4; QEMU
 * then exits with 2N + 1. Static: it must run when nothing else does.
 */
#include <stdlib.h>
#include <sys/io.h>

#define PORT 0xf4

int main(int argc, char **argv)
{
    if (argc != 2 || ioperm(PORT, 1, 1) < 0)
        return 1;
    outb((unsigned char)strtoul(argv[1], NULL, 10), PORT);
    return 1; /* no such device */
}
