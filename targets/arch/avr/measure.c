/* port.h for AVR: time in processor clocks from Timer 1, which runs from the first question on; stack use from paint.
 */
#include "port.h"

#include <avr/interrupt.h>
#include <avr/io.h>

#define PAINT 0xA5u
#if defined(__AVR_3_BYTE_PC__)
#define RETURN_BYTES 3u
#else
#define RETURN_BYTES 2u
#endif

extern uint8_t ld_stack_bottom[];

static volatile uint16_t overflows;
static uint16_t painted_top;

ISR(TIMER1_OVF_vect)
{
    overflows++;
}

uint32_t port_ticks(void)
{
    const uint8_t interrupts = SREG;
    uint16_t low;
    uint16_t high;

    if (TCCR1B == 0u) {
        TIMSK1 = _BV(TOIE1);
        TCCR1B = _BV(CS10);
    }
    cli();
    low = TCNT1;
    high = overflows;
    if (((TIFR1 & _BV(TOV1)) != 0u) && (low < 0x8000u)) {
        high++;
    }
    SREG = (uint8_t)(interrupts | _BV(SREG_I));
    return (uint32_t)high << 16 | low;
}

uint32_t port_ticks_since(uint32_t start)
{
    return port_ticks() - start;
}

/* What an interrupt pushes on the way is painted over, or counts as used. */
__attribute__((noinline)) void port_stack_paint(void)
{
    uint8_t *const top = (uint8_t *)SP;

    painted_top = (uint16_t)(SP + RETURN_BYTES);
    for (volatile uint8_t *byte = ld_stack_bottom; byte <= top; byte++) {
        *byte = PAINT;
    }
}

__attribute__((noinline)) uint32_t port_stack_used(void)
{
    const volatile uint8_t *byte = ld_stack_bottom;

    while (((uint16_t)byte <= painted_top) && (*byte == PAINT)) {
        byte++;
    }
    return (uint32_t)(painted_top + 1u - (uint16_t)byte);
}
