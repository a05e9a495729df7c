/* Functions of known length. */
#include "port.h"

#define CODE __attribute__((naked, noinline))

#if defined(__arm__)

#define SYNTAX ".syntax unified\n"

/* 3 n + 2 instructions */
CODE void loop(uint32_t n __attribute__((unused)))
{
    __asm__ volatile(SYNTAX "movs r1, #0\n 1: adds r1, #1\n subs r0, #1\n bne 1b\n bx lr\n");
}

/* 3 n + 2 instructions */
CODE static void inner(uint32_t n __attribute__((unused)))
{
    __asm__ volatile(SYNTAX "movs r1, #0\n 1: adds r1, #1\n subs r0, #1\n bne 1b\n bx lr\n");
}

/* 3 n + 2 + 3 */
CODE void outer(uint32_t n __attribute__((unused)))
{
    __asm__ volatile(SYNTAX "push {r4, lr}\n bl %c0\n pop {r4, pc}\n" : : "i"(inner));
}

/* 8 n + 1: 3 loads of 1 + 2 + 2 words and 2 stores of 2 + 1 words in each turn */
CODE void memory(uint32_t n __attribute__((unused)))
{
    __asm__ volatile(SYNTAX "1: push {r4, r5}\n mov r1, sp\n str r4, [sp]\n ldr r2, [r1]\n ldmia r1!, {r2, r3}\n"
                            "pop {r4, r5}\n subs r0, #1\n bne 1b\n bx lr\n");
}

#if __ARM_ARCH >= 7
/* 5 n + 1, of which 1 in each turn is skipped */
CODE void skipped(uint32_t n __attribute__((unused)))
{
    __asm__ volatile(SYNTAX "1: cmp r0, #0\n it eq\n addeq r1, #1\n subs r0, #1\n bne 1b\n bx lr\n");
}
#else
/* 5 n + 1 */
CODE void skipped(uint32_t n __attribute__((unused)))
{
    __asm__ volatile(SYNTAX "1: cmp r0, #0\n nop\n nop\n subs r0, #1\n bne 1b\n bx lr\n");
}
#endif

/* 3 n + 2 + 514: a call lies across the end of a page of 1024 bytes */
__attribute__((aligned(1024))) CODE void crossing(uint32_t n __attribute__((unused)))
{
    __asm__ volatile(SYNTAX "push {r4, lr}\n .rept 510\n nop\n .endr\n bl %c0\n mov r4, r4\n pop {r4, pc}\n"
                     :
                     : "i"(inner));
}

#elif defined(__XTENSA__)

/* Its compiler has no naked functions. A literal is one of the 3 loads of memory; crossing lies across the end of a
 * page of 4096 bytes, on which no instruction ends. */
void loop(uint32_t n);
void outer(uint32_t n);
void memory(uint32_t n);
void skipped(uint32_t n);
void crossing(uint32_t n);
uint32_t scratch[2];

#define FUNCTION(name) ".text\n.align 4\n.global " name "\n.type " name ", @function\n" name ":\n"
#define LOOP "movi a3, 0\n 1: addi a3, a3, 1\n addi a2, a2, -1\n bnez a2, 1b\n ret\n"
__asm__(FUNCTION("loop") LOOP);
__asm__(FUNCTION("inner") LOOP);
__asm__(FUNCTION("outer") "nop\n nop\n j inner\n");
__asm__(FUNCTION("memory") "1: movi a4, scratch\n s32i a3, a4, 0\n s8i a3, a4, 4\n l8ui a3, a4, 4\n"
                           "l16ui a3, a4, 0\n nop\n addi a2, a2, -1\n bnez a2, 1b\n ret\n");
__asm__(FUNCTION("skipped") "1: nop\n nop\n nop\n addi a2, a2, -1\n bnez a2, 1b\n ret\n");
__asm__(".text\n .balign 4096\n .space 3000\n" FUNCTION("crossing") ".rept 513\n nop\n .endr\n j inner\n");

#else

CODE void loop(uint32_t n __attribute__((unused)))
{
    __asm__ volatile("mv t0, zero\n 1: addi t0, t0, 1\n addi a0, a0, -1\n bnez a0, 1b\n ret\n");
}

CODE static void inner(uint32_t n __attribute__((unused)))
{
    __asm__ volatile("mv t0, zero\n 1: addi t0, t0, 1\n addi a0, a0, -1\n bnez a0, 1b\n ret\n");
}

/* A tail jump and two instructions before it. */
CODE void outer(uint32_t n __attribute__((unused)))
{
    __asm__ volatile("nop\n nop\n j %0\n" : : "i"(inner));
}

/* 3 loads and 2 stores in each turn. */
CODE void memory(uint32_t n __attribute__((unused)))
{
    __asm__ volatile("1: sw t0, -4(sp)\n sb t0, -8(sp)\n lw t1, -4(sp)\n lbu t1, -8(sp)\n lh t1, -8(sp)\n nop\n"
                     "addi a0, a0, -1\n bnez a0, 1b\n ret\n");
}

CODE void skipped(uint32_t n __attribute__((unused)))
{
    __asm__ volatile("1: nop\n nop\n nop\n addi a0, a0, -1\n bnez a0, 1b\n ret\n");
}

CODE void crossing(uint32_t n __attribute__((unused)))
{
    __asm__ volatile(".rept 513\n nop\n .endr\n j %0\n" : : "i"(inner));
}

#endif

void run_all(uint32_t n);
void run_long(void);

#define KEEP_CALL() __asm__ volatile("" ::: "memory") /* else the last call of a function becomes a jump */

__attribute__((noinline)) void run_all(uint32_t n)
{
    loop(n);
    outer(n);
    memory(n);
    skipped(n);
    crossing(n);
    KEEP_CALL();
}

__attribute__((noinline)) void run_long(void)
{
    loop(1000000u);
    KEEP_CALL();
}

int app_main(void)
{
    char arguments[8];

    loop(7u); /* before the functions that begin the count */
    if (port_arguments(arguments, sizeof arguments) > 0 && arguments[0] == 'l') {
        run_long();
        return 0;
    }
    run_all(1000u);
    run_all(10u);
    return 0;
}
