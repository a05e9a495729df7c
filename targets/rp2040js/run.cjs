/*
 * Runs a firmware of the RP2040 in the npm package rp2040js and answers its semihosting requests, as ../arch/chip/port.c
 * makes them:
 *
 *     node run.cjs FOLDERS                      says which version of the package is found from these folders
 *     node run.cjs FOLDERS ARGUMENTS < IMAGE    runs an image of the flash in the current folder
 *
 * FOLDERS are separated as in PATH; NODE_PATH and npm's global folder are searched behind them. The chip starts where its
 * ROM hands over: the first 256 bytes of flash are in RAM and run there. SysTick counts instructions. What the emulator
 * only warns of ends the run as a fault; so do writes to flash, and sleep, from which no interrupt would wake the firmware.
 */
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const EXIT_FAULT = 99;
const EXIT_USAGE = 125;

const FLASH = 0x10000000;
const FLASH_END = 0x14000000;
const RAM = 0x20000000;
const BOOT = 0x20041f00; /* RP2040 datasheet 2.8.1 */
const BOOT_BYTES = 256;
const BKPT_SEMIHOSTING = 0xbeab;
const TICK_NS = 8; /* a cycle of 125 MHz, from which the emulator's SysTick counts */

const SYS = { OPEN: 0x01, CLOSE: 0x02, WRITE0: 0x04, WRITE: 0x05, READ: 0x06, ERRNO: 0x13, GET_CMDLINE: 0x15, EXIT: 0x18 };
const SYS_EXIT_EXTENDED = 0x20;
const APPLICATION_EXIT = 0x20026;
const FAILED = -1;
const MODES = new Map([
    [1, fs.constants.O_RDONLY],
    [5, fs.constants.O_WRONLY | fs.constants.O_CREAT],
]);
const FILES_LIMIT = 8;
const NAME_LIMIT = 255;
const TEXT_LIMIT = 1 << 20;
const TRANSFER_LIMIT = 1 << 16;
const WRITTEN_LIMIT = 1 << 28;

/* The end of a run, which leaves the emulator from wherever it is noticed. */
class Ended extends Error {
    constructor(exitCode, message = "") {
        super(message);
        this.exitCode = exitCode;
    }
}

function fault(reason) {
    throw new Ended(EXIT_FAULT, reason);
}

/* In Python's environment, in NODE_PATH, or beside Node.js. Not where `require` would look on its own: a project that was
 * got from elsewhere may have a node_modules, and nothing of it is to run. */
function packageFolder(environment) {
    const roots = [
        path.join(environment, "node_modules"),
        ...(process.env.NODE_PATH || "").split(path.delimiter).filter((folder) => path.isAbsolute(folder)),
        path.resolve(process.execPath, "../../lib/node_modules"),
    ];
    const folders = roots.map((root) => path.join(root, "rp2040js"));
    return folders.find((folder) => fs.existsSync(path.join(folder, "package.json")));
}

/* A regular file beside the firmware's others, or null. A pipe must not make us wait, nor a link lead elsewhere. */
function openFile(name, flags) {
    if (!/^[^./][^/]*$/.test(name)) {
        return null;
    }
    try {
        const file = fs.openSync(name, flags | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
        if (fs.fstatSync(file).isFile()) {
            if (flags & fs.constants.O_CREAT) {
                fs.ftruncateSync(file);
            }
            return file;
        }
        fs.closeSync(file);
    } catch {
        /* it is not there, or must not be opened */
    }
    return null;
}

/* The host's side of semihosting ("Semihosting for AArch32 and AArch64", Arm). The firmware is not trusted. */
class Host {
    constructor(chip, words) {
        this.chip = chip;
        this.words = Buffer.from(`${words}\0`, "latin1");
        this.files = new Array(FILES_LIMIT).fill(null);
        this.textBytes = 0;
        this.writtenBytes = 0;
    }

    serve(operation, parameter) {
        switch (operation) {
            case SYS.OPEN:
                return this.open(...this.numbers(parameter, 3));
            case SYS.CLOSE:
                return this.close(...this.numbers(parameter, 1));
            case SYS.WRITE0:
                return this.print(parameter);
            case SYS.WRITE:
                return this.transfer(this.write, ...this.numbers(parameter, 3));
            case SYS.READ:
                return this.transfer(this.read, ...this.numbers(parameter, 3));
            case SYS.ERRNO:
                return 0;
            case SYS.GET_CMDLINE:
                return this.commandLine(parameter, ...this.numbers(parameter, 2));
            case SYS.EXIT:
                throw new Ended(parameter === APPLICATION_EXIT ? 0 : 1);
            case SYS_EXIT_EXTENDED: {
                const [reason, code] = this.numbers(parameter, 2);
                throw new Ended(reason === APPLICATION_EXIT ? code & 0xff : 1);
            }
            default:
                return FAILED;
        }
    }

    /* Memory as the chip has it, or null where it has none. */
    ram(address, size) {
        const offset = address - RAM;
        const inside = offset >= 0 && offset + size <= this.chip.sram.length;
        return inside ? this.chip.sram.subarray(offset, offset + size) : null;
    }

    memory(address, size) {
        const offset = address - FLASH;
        const inside = offset >= 0 && offset + size <= this.chip.flash.length;
        return inside ? this.chip.flash.subarray(offset, offset + size) : this.ram(address, size);
    }

    /* The parameter block; zeros, which no request accepts, where there is no memory. */
    numbers(address, count) {
        const block = Buffer.from(this.memory(address, 4 * count) ?? new Uint8Array(4 * count));
        return Array.from({ length: count }, (_, index) => block.readUInt32LE(4 * index));
    }

    open(address, mode, length) {
        const name = length > 0 && length <= NAME_LIMIT ? this.memory(address, length) : null;
        const number = this.files.indexOf(null);
        if (name === null || !MODES.has(mode) || number < 0) {
            return FAILED;
        }
        this.files[number] = openFile(Buffer.from(name).toString("latin1"), MODES.get(mode));
        return this.files[number] === null ? FAILED : number + 1;
    }

    close(number) {
        const file = this.files[number - 1] ?? null;
        if (file === null) {
            return FAILED;
        }
        fs.closeSync(file);
        this.files[number - 1] = null;
        return 0;
    }

    print(address) {
        let length = 0;
        while (length < TEXT_LIMIT && (this.memory(address + length, 1)?.[0] ?? 0) !== 0) {
            length++;
        }
        const shown = Math.min(length, TEXT_LIMIT - this.textBytes);
        this.textBytes += shown;
        if (shown > 0) {
            fs.writeSync(1, this.memory(address, shown));
        }
        return 0;
    }

    /* Moves a part; the answer is how many bytes are left. */
    transfer(move, number, address, size) {
        const file = this.files[number - 1] ?? null;
        const part = Math.min(size, TRANSFER_LIMIT);
        try {
            return file === null ? size : size - move.call(this, file, address, part);
        } catch (error) {
            if (error instanceof Ended) {
                throw error;
            }
            return size;
        }
    }

    write(file, address, size) {
        const data = this.memory(address, size);
        if (data === null || this.writtenBytes + size > WRITTEN_LIMIT) {
            return 0;
        }
        this.writtenBytes += size;
        return fs.writeSync(file, data);
    }

    read(file, address, size) {
        const room = this.ram(address, size);
        return room === null ? 0 : fs.readSync(file, room);
    }

    commandLine(parameter, address, size) {
        const room = this.words.length <= size ? this.ram(address, this.words.length) : null;
        const length = this.ram(parameter + 4, 4);
        if (room === null || length === null) {
            return FAILED;
        }
        room.set(this.words);
        new DataView(length.buffer, length.byteOffset).setUint32(0, this.words.length - 1, true);
        return 0;
    }
}

/* The chip as its ROM leaves it. */
function start(RP2040, image) {
    const chip = new RP2040();
    /* The boot code selects the flash by the register SER of the SSI, which the emulator leaves out. */
    const complain = (part, message) => part === "SSI" || fault(message);
    const write = chip.writeUint32.bind(chip);

    chip.logger = { debug() {}, info() {}, warn: complain, error: complain };
    chip.flash.set(image);
    chip.sram.set(image.subarray(0, BOOT_BYTES), BOOT - RAM);
    chip.core.PC = BOOT;
    chip.writeUint32 = (address, value) => {
        if (address >>> 0 >= FLASH && address >>> 0 < FLASH_END) {
            fault(`write to flash at 0x${(address >>> 0).toString(16)}`);
        }
        write(address, value);
    };
    return chip;
}

function run(chip, host) {
    const { core, clock } = chip;
    let pc = core.PC;

    chip.onBreak = () => {
        if (chip.readUint16(pc) !== BKPT_SEMIHOSTING) {
            fault("undefined instruction");
        }
        core.registers[0] = host.serve(core.registers[0] >>> 0, core.registers[1] >>> 0);
    };
    try {
        while (!core.waiting) {
            pc = core.PC;
            core.executeInstruction();
            clock.tick(TICK_NS);
        }
        fault("the core went to sleep");
    } catch (error) {
        if (!(error instanceof Ended)) {
            throw error;
        }
        if (error.exitCode === EXIT_FAULT && error.message !== "") {
            fs.writeSync(1, `fault: ${error.message}, pc 0x${(pc >>> 0).toString(16).padStart(8, "0")}\n`);
        }
        return error.exitCode;
    }
}

function main([environment, words]) {
    const folder = packageFolder(environment);
    if (folder === undefined) {
        process.stdout.write("rp2040js was not found\n");
        return EXIT_USAGE;
    }
    if (words === undefined) {
        process.stdout.write(`${JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).version}\n`);
        return 0;
    }
    const { RP2040 } = require(folder);
    const chip = start(RP2040, fs.readFileSync(0));
    return run(chip, new Host(chip, words));
}

/* Whatever else goes wrong is no result of the firmware's. */
process.on("uncaughtException", (error) => {
    fs.writeSync(1, `${error}\n`);
    process.exit(EXIT_USAGE);
});
process.exitCode = main(process.argv.slice(2));
