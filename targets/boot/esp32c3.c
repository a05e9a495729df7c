/*
 * What stands first in flash on the ESP32-C3: two words by which its ROM knows a program that runs in place ("direct
 * boot"), and where it then jumps to. The ROM leaves watchdogs behind that would reset the chip after some seconds
 * (ESP32-C3 Technical Reference Manual, chapter 12).
 */
__asm__(".section .boot, \"ax\"\n"
        ".balign 4\n"
        ".word 0xAEDB041D\n"
        ".word 0xAEDB041D\n"
        "boot_esp32c3:\n"
        "li   t1, 0x50D83AA1\n" /* the key that lifts a watchdog's write protection */
        "li   t0, 0x6001F000\n" /* timer group 0 */
        "sw   t1, 0x64(t0)\n"
        "sw   zero, 0x48(t0)\n"
        "li   t0, 0x60008000\n" /* real time controller */
        "sw   t1, 0xA8(t0)\n"
        "sw   zero, 0x90(t0)\n"
        "li   t1, 0x8F1D312A\n" /* the super watchdog has a key of its own, and feeds itself if told to */
        "sw   t1, 0xB0(t0)\n"
        "lw   t2, 0xAC(t0)\n"
        "li   t1, 0x80000000\n"
        "or   t2, t2, t1\n"
        "sw   t2, 0xAC(t0)\n"
        "tail reset_handler\n"
        ".balign 4\n"
        ".text\n");
