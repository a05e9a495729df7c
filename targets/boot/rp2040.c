/*
 * The first 256 bytes of flash on the RP2040: its ROM copies them to RAM, checks their sum and runs them there, so that
 * they open the flash at 0x10000000 for reading (RP2040 datasheet 2.8.1, and 4.10 of the SSI).
 *
 * Each read of the bus becomes the flash's command 03h, one bit at a time: 8 bits of command, 24 of address, 32 of
 * data. Every flash chip knows it; four bits at a time would be faster, and another program for each chip.
 */
__asm__(".syntax unified\n"
        ".thumb\n"
        ".section .boot, \"ax\"\n"
        ".balign 4\n"
        "boot_rp2040:\n"
        "ldr  r0, 1f\n"
        "movs r1, #0\n"
        "str  r1, [r0, #0x08]\n" /* SSIENR: off, or the rest could not be written */
        "str  r1, [r0, #0x04]\n" /* CTRLR1: one frame a read */
        "movs r1, #4\n"
        "str  r1, [r0, #0x14]\n" /* BAUDR: a quarter of the system clock, 33 MHz at most */
        "movs r1, #1\n"
        "str  r1, [r0, #0x10]\n" /* SER: the flash is device 0 */
        "ldr  r1, 2f\n"
        "str  r1, [r0, #0x00]\n"
        "ldr  r1, 3f\n"
        "ldr  r2, 4f\n"
        "str  r1, [r0, r2]\n"
        "movs r1, #1\n"
        "str  r1, [r0, #0x08]\n"
        "ldr  r0, 5f\n" /* on as after a reset: stack pointer and handler from the vectors */
        "ldr  r1, [r0, #0]\n"
        "ldr  r2, [r0, #4]\n"
        "mov  sp, r1\n"
        "bx   r2\n"
        ".balign 4\n"
        "1: .word 0x18000000\n" /* SSI */
        "2: .word 0x001F0300\n" /* CTRLR0: frames of 32 bits, first send, then receive */
        "3: .word 0x03000218\n" /* SPI_CTRLR0: command 03h of 8 bits, 6 * 4 bits of address, all on one wire */
        "4: .word 0x000000F4\n" /* where SPI_CTRLR0 is */
        "5: .word 0x10000100\n" /* what follows these 256 bytes */
        ".org 252\n"
        ".word 0x4B501A75\n" /* CRC-32/MPEG-2 of the above */
        ".text\n");
