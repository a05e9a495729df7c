/* See count.h. */
#include "count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REGIONS_LIMIT = 8, CALLS_LIMIT = 1 << 24, NONE = -1 };

typedef struct {
    uint32_t instructions;
    uint64_t clocks;
} call_t;

typedef struct {
    uint32_t entry;
    uint32_t calls_wanted;
    uint32_t calls;
    call_t *call;
    uint64_t *executed; /* by address / 2 */
    uint64_t *taken;
} region_t;

static region_t regions[REGIONS_LIMIT];
static int regions_count;
static const char *path;
static uint32_t after;
static bool has_begun;
static uint32_t flash_words;
static uint8_t *sizes; /* of the instruction at address / 2 */
static int current = NONE;
static uint32_t caller_stack; /* the stack pointer before the call */
static uint32_t return_address_bytes;

bool count_option(const char *argument)
{
    char *rest;

    if (strncmp(argument, "out=", 4) == 0) {
        path = &argument[4];
        return true;
    }
    if (strncmp(argument, "after=", 6) == 0) {
        after = (uint32_t)strtoul(&argument[6], &rest, 0);
        return *rest == '\0';
    }
    if (strncmp(argument, "region=", 7) != 0 || regions_count == REGIONS_LIMIT) {
        return false;
    }
    region_t *region = &regions[regions_count++];
    region->entry = (uint32_t)strtoul(&argument[7], &rest, 0);
    region->calls_wanted = *rest == ':' ? (uint32_t)strtoul(rest + 1, &rest, 0) : 0;
    return *rest == '\0' && region->calls_wanted > 0 && region->calls_wanted <= CALLS_LIMIT;
}

bool count_is_wanted(void)
{
    return regions_count != 0;
}

bool count_begin(uint32_t flash_bytes, uint32_t return_bytes)
{
    return_address_bytes = return_bytes;
    flash_words = flash_bytes / 2;
    sizes = calloc(flash_words, 1);
    for (int index = 0; index < regions_count; index++) {
        regions[index].call = calloc(regions[index].calls_wanted, sizeof(call_t));
        regions[index].executed = calloc(flash_words, sizeof(uint64_t));
        regions[index].taken = calloc(flash_words, sizeof(uint64_t));
        if (regions[index].call == NULL || regions[index].executed == NULL || regions[index].taken == NULL) {
            return false;
        }
    }
    return sizes != NULL;
}

/* A call is open from the first instruction of a function until the stack is again what it was before the call. */
static void enter(uint32_t address, uint32_t stack)
{
    has_begun = has_begun || address == after;
    for (int index = 0; has_begun && current == NONE && index < regions_count; index++) {
        if (address == regions[index].entry && regions[index].calls < regions[index].calls_wanted) {
            current = index;
            caller_stack = stack + return_address_bytes;
        }
    }
}

void count_instruction(uint32_t address, uint32_t size, uint32_t clocks, uint32_t next, uint32_t stack,
                       uint32_t new_stack)
{
    if (address / 2 >= flash_words) {
        return;
    }
    enter(address, stack);
    if (current != NONE) {
        region_t *region = &regions[current];
        sizes[address / 2] = (uint8_t)size;
        region->executed[address / 2]++;
        region->taken[address / 2] += next != address + size;
        region->call[region->calls].instructions++;
        region->call[region->calls].clocks += clocks;
        if (new_stack == caller_stack) {
            region->calls++;
            current = NONE;
        }
    }
}

bool count_end(void)
{
    FILE *file = path == NULL ? NULL : fopen(path, "w");

    if (path == NULL) {
        return true;
    }
    if (file == NULL) {
        return false;
    }
    for (int index = 0; index < regions_count; index++) {
        const region_t *region = &regions[index];
        for (uint32_t call = 0; call < region->calls; call++) {
            fprintf(file, "call %d %lu %llu\n", index, (unsigned long)region->call[call].instructions,
                    (unsigned long long)region->call[call].clocks);
        }
        for (uint32_t word = 0; word < flash_words; word++) {
            if (region->executed[word] != 0) {
                fprintf(file, "block %d %lu %d 1 %llu %llu\n", index, 2ul * word, sizes[word],
                        (unsigned long long)region->executed[word], (unsigned long long)region->taken[word]);
            }
        }
    }
    fprintf(file, "end %d\n", current != NONE);
    return fclose(file) == 0;
}
