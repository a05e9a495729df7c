/* port.h for a PC: the C library. The arguments are those of the command line. */
#include "port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 8 };

static FILE *files[FILES_MAX];
static int argument_count;
static char **arguments;

static int open_file(const char *path, const char *mode)
{
    for (int file = 0; file < FILES_MAX; file++) {
        if (files[file] == NULL) {
            files[file] = fopen(path, mode);
            return files[file] == NULL ? -1 : file;
        }
    }
    return -1;
}

static FILE *stream(int file)
{
    return (file >= 0) && (file < FILES_MAX) ? files[file] : NULL;
}

int port_has_host(void)
{
    return 1;
}

int port_open_read(const char *path)
{
    return open_file(path, "rb");
}

int port_open_write(const char *path)
{
    return open_file(path, "wb");
}

int32_t port_read(int file, void *buffer, uint32_t size)
{
    size_t done;

    if (stream(file) == NULL) {
        return -1;
    }
    done = fread(buffer, 1, size, stream(file));
    return ferror(stream(file)) != 0 ? -1 : (int32_t)done;
}

int32_t port_write(int file, const void *buffer, uint32_t size)
{
    size_t done;

    if (stream(file) == NULL) {
        return -1;
    }
    done = fwrite(buffer, 1, size, stream(file));
    return ferror(stream(file)) != 0 ? -1 : (int32_t)done;
}

void port_close(int file)
{
    if (stream(file) != NULL) {
        (void)fclose(files[file]);
        files[file] = NULL;
    }
}

void port_print(const char *text)
{
    (void)fputs(text, stdout);
    (void)fflush(stdout);
}

int port_arguments(char *buffer, uint32_t size)
{
    size_t used = 0;

    if (size == 0u) {
        return -1;
    }
    for (int index = 1; index < argument_count; index++) {
        const size_t length = strlen(arguments[index]);
        const size_t blank = index > 1 ? 1u : 0u;

        if (used + blank + length + 1u > size) {
            buffer[0] = '\0';
            return -1;
        }
        if (blank != 0u) {
            buffer[used++] = ' ';
        }
        memcpy(buffer + used, arguments[index], length);
        used += length;
    }
    buffer[used] = '\0';
    return (int)used;
}

void port_exit(int code)
{
    exit(code);
}

uint32_t port_ticks(void)
{
    return 0u;
}

uint32_t port_ticks_since(uint32_t start)
{
    (void)start;
    return 0u;
}

void port_stack_paint(void)
{
}

uint32_t port_stack_used(void)
{
    return 0u;
}

int main(int argc, char **argv)
{
    argument_count = argc;
    arguments = argv;
    return app_main();
}
