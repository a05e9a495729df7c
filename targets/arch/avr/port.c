/*
 * port.h for AVR: everything goes over the serial line (USART0, 115200 baud, 8N1), text as it is.
 *
 * A host, which targets/simavr/run.c is, answers requests: the byte REQUEST, a letter, what belongs to it. Numbers have
 * 16 bits, the lower byte first; names end with a zero. The request for a host alone waits no longer than ANSWER_MS.
 *   h                        -> HERE
 *   i NAME, o NAME           -> the number of the file, opened for reading or writing, or 255
 *   r FILE SIZE              -> how many bytes there are, and these; 0xFFFF where it failed
 *   w FILE SIZE BYTES        -> how many bytes were written, or 0xFFFF
 *   c FILE                   -> HERE
 *   a                        -> the length of the arguments, and these
 *   x CODE                      the end
 */
#include "port.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <stddef.h>

#define BAUD 115200UL
#define REQUEST 0x10u
#define HERE 0x06u
#define FAILED 0xFFFFu
#define ANSWER_MS 50UL
#define WAIT_CYCLES 12UL /* of a turn of the loop that waits, at least */

enum { UNKNOWN, ABSENT, PRESENT };

static uint8_t host;

static void send(uint8_t byte)
{
    while ((UCSR0A & _BV(UDRE0)) == 0u) {
    }
    UCSR0A = _BV(U2X0) | _BV(TXC0); /* a 1 clears the flag that port_exit waits for */
    UDR0 = byte;
}

static uint8_t receive(void)
{
    while ((UCSR0A & _BV(RXC0)) == 0u) {
    }
    return UDR0;
}

static void send_number(uint16_t number)
{
    send((uint8_t)number);
    send((uint8_t)(number >> 8));
}

static uint16_t receive_number(void)
{
    const uint8_t low = receive();

    return (uint16_t)((uint16_t)receive() << 8 | low);
}

/* False where nobody would answer. */
static int request(char letter)
{
    if (port_has_host() == 0) {
        return 0;
    }
    send(REQUEST);
    send((uint8_t)letter);
    return 1;
}

static int open_file(char letter, const char *path)
{
    uint8_t file;

    if (request(letter) == 0) {
        return -1;
    }
    for (; *path != '\0'; path++) {
        send((uint8_t)*path);
    }
    send(0u);
    file = receive();
    return file == 255u ? -1 : (int)file;
}

int port_has_host(void)
{
    if (host == UNKNOWN) {
        uint32_t turns = F_CPU / 1000UL * ANSWER_MS / WAIT_CYCLES;

        send(REQUEST);
        send('h');
        while (((UCSR0A & _BV(RXC0)) == 0u) && (turns != 0u)) {
            turns--;
        }
        host = (turns != 0u) && (UDR0 == HERE) ? PRESENT : ABSENT;
    }
    return host == PRESENT;
}

int port_open_read(const char *path)
{
    return open_file('i', path);
}

int port_open_write(const char *path)
{
    return open_file('o', path);
}

int32_t port_read(int file, void *buffer, uint32_t size)
{
    uint8_t *to = buffer;
    uint16_t count;

    if ((file < 0) || (request('r') == 0)) {
        return -1;
    }
    send((uint8_t)file);
    send_number((uint16_t)size);
    count = receive_number();
    if (count == FAILED) {
        return -1;
    }
    for (uint16_t index = 0; index < count; index++) {
        *to++ = receive();
    }
    return (int32_t)count;
}

int32_t port_write(int file, const void *buffer, uint32_t size)
{
    const uint8_t *from = buffer;
    uint16_t count;

    if ((file < 0) || (request('w') == 0)) {
        return -1;
    }
    send((uint8_t)file);
    send_number((uint16_t)size);
    for (uint16_t index = 0; index < (uint16_t)size; index++) {
        send(*from++);
    }
    count = receive_number();
    return count == FAILED ? -1 : (int32_t)count;
}

void port_close(int file)
{
    if ((file >= 0) && (request('c') != 0)) {
        send((uint8_t)file);
        (void)receive();
    }
}

void port_print(const char *text)
{
    for (; *text != '\0'; text++) {
        send((uint8_t)*text);
    }
}

int port_arguments(char *buffer, uint32_t size)
{
    uint16_t length;

    if (size == 0u) {
        return -1;
    }
    buffer[0] = '\0';
    if (request('a') == 0) {
        return -1;
    }
    length = receive_number();
    for (uint16_t index = 0; index < length; index++) {
        const char letter = (char)receive();

        if (length < size) {
            buffer[index] = letter;
            buffer[index + 1u] = '\0';
        }
    }
    return length < size ? (int)length : -1;
}

void port_exit(int code)
{
    if (request('x') != 0) {
        send((uint8_t)code);
    }
    while ((UCSR0A & _BV(TXC0)) == 0u) {
    }
    cli();
    for (;;) {
        sleep_enable();
        sleep_cpu();
    }
}

int main(void)
{
    UBRR0 = (uint16_t)((F_CPU + 4UL * BAUD) / (8UL * BAUD) - 1UL);
    UCSR0A = _BV(U2X0);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    port_exit(app_main());
    return 0;
}
