/* See host.h. */
#define _POSIX_C_SOURCE 200809L
#include "host.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REQUEST = 0x10, HERE = 0x06, FAILED = 0xFFFF, NO_FILE = 255 };
enum { FILES_LIMIT = 8, NAME_LIMIT = 255, TEXT_LIMIT = 1 << 20, WRITTEN_LIMIT = 1 << 28, LARGEST = 1 << 16 };

static uint8_t request[LARGEST + 8]; /* without the byte REQUEST */
static size_t taken;
static bool in_request;
static uint8_t reply[LARGEST + 8];
static size_t replied;
static size_t given;
static FILE *files[FILES_LIMIT];
static size_t text_bytes;
static size_t written_bytes;
static int exit_code = RUNNING;

static void answer(const void *bytes, size_t size)
{
    if (given == replied) {
        given = replied = 0;
    }
    if (size <= sizeof reply - replied) {
        memcpy(&reply[replied], bytes, size);
        replied += size;
    }
}

static void answer_byte(int byte)
{
    const uint8_t value = (uint8_t)byte;

    answer(&value, 1);
}

static void answer_number(size_t number)
{
    const uint8_t value[2] = {(uint8_t)number, (uint8_t)(number >> 8)};

    answer(value, sizeof value);
}

static bool is_plain(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL && strlen(name) <= NAME_LIMIT;
}

static int open_file(const char *name, bool to_write)
{
    int slot = 0;
    struct stat found;

    while (slot < FILES_LIMIT && files[slot] != NULL) {
        slot++;
    }
    if (slot == FILES_LIMIT || !is_plain(name)) {
        return NO_FILE;
    }
    /* O_NONBLOCK: a pipe must not make us wait; O_TRUNC only once it is known to be a regular file. */
    const int number = open(name, O_NOFOLLOW | O_NONBLOCK | (to_write ? O_WRONLY | O_CREAT : O_RDONLY), 0666);
    if (number < 0) {
        return NO_FILE;
    }
    if (fstat(number, &found) != 0 || !S_ISREG(found.st_mode) || (to_write && ftruncate(number, 0) != 0)) {
        close(number);
        return NO_FILE;
    }
    files[slot] = fdopen(number, to_write ? "wb" : "rb");
    return files[slot] == NULL ? NO_FILE : slot;
}

static FILE *file_of(unsigned number)
{
    return number < FILES_LIMIT ? files[number] : NULL;
}

static void read_file(unsigned number, size_t size)
{
    static uint8_t content[LARGEST];
    FILE *file = file_of(number);
    const size_t count = file == NULL ? 0 : fread(content, 1, size, file);

    if (file == NULL || ferror(file) != 0 || size == FAILED) {
        answer_number(FAILED);
    } else {
        answer_number(count);
        answer(content, count);
    }
}

static void write_file(unsigned number, const uint8_t *content, size_t size)
{
    FILE *file = file_of(number);

    if (file == NULL || written_bytes + size > WRITTEN_LIMIT || fwrite(content, 1, size, file) != size) {
        answer_number(FAILED);
    } else {
        written_bytes += size;
        answer_number(size);
    }
}

static void close_file(unsigned number)
{
    if (file_of(number) != NULL) {
        (void)fclose(files[number]);
        files[number] = NULL;
    }
    answer_byte(HERE);
}

/* Whether the request is complete, and was answered. */
static bool serve(const char *arguments)
{
    const size_t size = taken >= 4 ? request[2] | (size_t)request[3] << 8 : 0;

    switch (request[0]) {
    case 'h':
        answer_byte(HERE);
        return true;
    case 'i':
    case 'o':
        if (taken == 1 || request[taken - 1] != 0) {
            return taken > NAME_LIMIT + 2u;
        }
        answer_byte(open_file((const char *)&request[1], request[0] == 'o'));
        return true;
    case 'r':
        if (taken == 4) {
            read_file(request[1], size);
        }
        return taken == 4;
    case 'w':
        if (taken < 4 || taken < 4 + size) {
            return false;
        }
        write_file(request[1], &request[4], size);
        return true;
    case 'c':
        if (taken == 2) {
            close_file(request[1]);
        }
        return taken == 2;
    case 'a':
        answer_number(strlen(arguments));
        answer(arguments, strlen(arguments));
        return true;
    case 'x':
        if (taken == 2) {
            exit_code = request[1];
        }
        return taken == 2;
    default:
        return true;
    }
}

void host_take(uint8_t byte, const char *arguments)
{
    if (in_request) {
        request[taken++] = byte;
        in_request = !serve(arguments);
    } else if (byte == REQUEST) {
        in_request = true;
        taken = 0;
    } else if (text_bytes < TEXT_LIMIT) {
        text_bytes++;
        (void)putchar(byte);
        if (byte == '\n') {
            (void)fflush(stdout);
        }
    }
}

bool host_give(uint8_t *byte)
{
    if (given == replied) {
        return false;
    }
    *byte = reply[given++];
    return true;
}

int host_exit_code(void)
{
    return exit_code;
}
