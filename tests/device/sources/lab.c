/* A firmware that does what its first argument says; the tests know what must come of it. */
#include "port.h"

static int32_t initialised[3] = {11, -22, 33};
static int32_t zeroed[3];

static void print_number(const char *label, uint32_t number)
{
    char text[12];
    int position = 11;

    text[position] = '\0';
    do {
        text[--position] = (char)('0' + (number % 10u));
        number /= 10u;
    } while (number != 0u);
    port_print(label);
    port_print(&text[position]);
    port_print("\n");
}

#if defined(__ARM_ARCH_6M__)
#define PIECE_BYTES 7000 /* fits into the micro:bit */
#else
#define PIECE_BYTES 70000 /* more than a host may move at a time */
#endif

/* input.bin -> output.bin, every byte inverted. */
static int invert_file(void)
{
    static uint8_t piece[PIECE_BYTES];
    int32_t size;
    const int from = port_open_read("input.bin");
    const int to = port_open_write("output.bin");

    if ((from < 0) || (to < 0)) {
        return 3;
    }
    do {
        size = port_read(from, piece, sizeof piece);
        for (int32_t index = 0; index < size; index++) {
            piece[index] = (uint8_t)~piece[index];
        }
        if ((size < 0) || (port_write(to, piece, (uint32_t)size) != size)) {
            return 4;
        }
    } while (size == (int32_t)sizeof piece);
    port_close(from);
    port_close(to);
    return 0;
}

static int count_open_escapes(void)
{
    return (port_open_read("../secret.txt") >= 0) + (port_open_write("../written.txt") >= 0) +
           (port_open_read("/etc/hostname") >= 0) + (port_open_read("link.txt") >= 0) + (port_open_read(".") >= 0);
}

#if defined(__arm__) || defined(__riscv) || defined(__XTENSA__)
/* 2 * iterations + 1 instructions. */
#if defined(__XTENSA__)
void spin(uint32_t iterations);
__asm__(".text\n.align 4\n.global spin\nspin:\naddi a2, a2, -1\nbnez a2, spin\nret\n");
#else
__attribute__((naked, noinline)) static void spin(uint32_t iterations __attribute__((unused)))
{
#if defined(__arm__)
    __asm__ volatile(".syntax unified\n 1: subs r0, #1\n bne 1b\n bx lr\n");
#else
    __asm__ volatile("1: addi a0, a0, -1\n bnez a0, 1b\n ret\n");
#endif
}
#endif

__attribute__((noinline)) static uint32_t time_spin(uint32_t iterations)
{
    const uint32_t start = port_ticks();

    spin(iterations);
    return port_ticks_since(start);
}

static void count_ticks(void)
{
    print_number("short ", time_spin(500u));
    print_number("long ", time_spin(50000u));
}
#else
static void count_ticks(void)
{
    print_number("short ", port_ticks_since(port_ticks()));
}
#endif

__attribute__((noinline)) static void use_stack(void)
{
    volatile int32_t room[250];
    volatile uint32_t size = 250u; /* unknown to the compiler, which would else split the array */

    for (uint32_t index = 0u; index < size; index++) {
        room[index] = (int32_t)index;
    }
    (void)room[size - 1u];
}

static void measure_stack(void)
{
    uint32_t nothing;

    port_stack_paint();
    nothing = port_stack_used();
    port_stack_paint();
    use_stack();
    print_number("used ", port_stack_used());
    print_number("nothing ", nothing);
}

__attribute__((noinline)) static int overflow_stack(volatile int32_t *deeper)
{
    volatile int32_t room[100];

    room[0] = *deeper;
    return room[0] == 0 ? 0 : overflow_stack(room) + 1;
}

static int crash(char how)
{
    volatile int32_t one = 1;
    volatile int32_t index = 3;
    volatile uintptr_t unmapped = 0x2F000000u, flash = (uintptr_t)app_main & ~(uintptr_t)3;
    void (*volatile nowhere)(void) = 0;

    switch (how) {
    case 'r':
        return *(volatile int32_t *)unmapped;
    case 'w':
        *(volatile int32_t *)flash = 1;
        return 0;
    case 'n':
        nowhere();
        return 0;
    case 'o':
        return overflow_stack(&one);
    case 'b': /* beyond an array */
        return (int)initialised[index];
    case 'i': /* integer overflow */
        return one + (index + 0x7FFFFFFC);
#if defined(__arm__)
    case 'u':
        __asm__ volatile("udf #0");
        return 0;
    case 'z':
        __asm__ volatile("wfi");
        return 0;
    case 's':
        __asm__ volatile("mov sp, %0\n push {r0}\n" ::"r"(unmapped) : "memory");
        return 0;
#elif defined(__riscv)
    case 'u':
        __asm__ volatile("unimp");
        return 0;
    case 'z':
        __asm__ volatile("wfi");
        return 0;
    case 's':
        __asm__ volatile("mv sp, %0\n sw zero, -4(sp)\n" ::"r"(unmapped) : "memory");
        return 0;
#elif defined(__XTENSA__)
    case 'u':
        __asm__ volatile("ill");
        return 0;
    case 's':
        __asm__ volatile("mov a1, %0\n s32i a0, a1, 0\n" ::"r"(unmapped) : "memory");
        return 0;
#endif
    default:
        return 1;
    }
}

int app_main(void)
{
    char arguments[64];
    const int length = port_arguments(arguments, sizeof arguments);

    switch (arguments[0]) {
    case 'p':
        port_print(arguments);
        print_number("\nlength ", (uint32_t)length);
        print_number("host ", (uint32_t)port_has_host());
        return 0;
    case 'e':
        return (arguments[1] - '0') * 10 + (arguments[2] - '0');
    case 'x':
        port_exit(42);
        return 0;
    case 'f':
        return invert_file();
    case 'q':
        return count_open_escapes();
    case 'd':
        initialised[1] += 1;
        return (initialised[0] == 11) && (initialised[1] == -21) && (initialised[2] == 33) && (zeroed[2] == 0) ? 0 : 1;
    case 'm':
        count_ticks();
        measure_stack();
        return 0;
    case 'l':
        port_print("looping\n");
        for (;;) {
        }
    case 'c':
        return crash(arguments[1]);
    default:
        print_number("length ", (uint32_t)length);
        return 7;
    }
}
