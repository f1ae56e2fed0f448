// The firmware in rp2040js, an emulator of the RP2040 that is no work of ours.
//
// usage: node emulator.cjs IMAGE.uf2 ADDRESS WORD WORD WORD
//
// The words stand at the address at each boot. Prints the addresses of the serial lines, UART0 and USB,
// once the board listens. A line `reset` resets it, which is answered once it listens again; a line
// `cycles` is answered by how many its core has taken, sleep aside. It ends when there are no lines
// any more.
'use strict';
const fs = require('fs');
const net = require('net');

let RP2040, USBCDC;
try {
  ({ RP2040, USBCDC } = require('rp2040js'));
} catch (error) {
  console.error('rp2040js is not installed: npm install --prefix FOLDER rp2040js, '
    + 'then set NODE_PATH=FOLDER/node_modules');
  process.exit(1);
}

const FLASH = 0x10000000, RAM = 0x20000000, STAGE = RAM + 0x41f00, STAGE_BYTES = 256;
const [, , image, address, ...words] = process.argv;
const flash = fs.readFileSync(image);
const TICK = 1000 / 125; // ns of a cycle
let chip, usb, cycles = 0, listens = () => {}, running = false;
// What goes in and out of each line, and how many bytes the board takes from it now.
const uart = { waiting: [], sent: [] }, cdc = { waiting: [], sent: [], room: 0 };

// Not part of rp2040js: what the boot ROM does with the flash, by section 2.8.1 of the datasheet.
function boot(before) {
  chip = new RP2040();
  chip.logger = { debug() {}, info() {}, warn() {}, error() {} };
  if (before) chip.sram.set(before.sram);
  for (let at = 0; at < flash.length; at += 512) {
    const size = flash.readUInt32LE(at + 16);
    chip.flash.set(flash.subarray(at + 32, at + 32 + size), flash.readUInt32LE(at + 12) - FLASH);
  }
  const stage = chip.flash.subarray(0, STAGE_BYTES);
  let crc = 0xffffffff;
  for (const byte of stage.subarray(0, STAGE_BYTES - 4)) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc << 1 ^ (crc < 0 ? 0x04c11db7 : 0);
  }
  if (crc >>> 0 !== chip.flashView.getUint32(STAGE_BYTES - 4, true)) {
    console.error('the checksum of the second stage is wrong: the boot ROM does not start it');
    process.exit(1);
  }
  chip.sram.set(stage, STAGE - RAM);
  words.forEach((word, i) => chip.writeUint32(Number(address) + 4 * i, Number(word)));
  chip.core.SP = STAGE;
  chip.core.PC = STAGE;
  uart.waiting = [];
  chip.uart[0].onByte = (byte) => send(uart, [byte]);
  cdc.waiting = [];
  cdc.room = 0;
  usb = new USBCDC(chip.usbCtrl);
  usb.onSerialData = (bytes) => send(cdc, bytes);
  // rp2040js hands over an empty packet where a host waits until there is something to send.
  chip.usbCtrl.onEndpointRead = (endpoint, size) => {
    if (endpoint === usb.outEndpoint) cdc.room = size;
  };
  // Not part of rp2040js either: a reset that the firmware asks for.
  const write = chip.ppb.writeUint32.bind(chip.ppb);
  chip.ppb.writeUint32 = (offset, value) =>
    offset === 0xd0c ? setImmediate(boot, chip) : write(offset, value);
  start();
}

function send(line, bytes) {
  line.sent.push(...bytes);
  if (line.sent.at(-1) === 0) flush(line);
}

function flush(line) {
  if (line.client) line.client.write(Buffer.from(line.sent));
  line.sent = [];
}

function start() {
  if (!running) setImmediate(run);
  running = true;
}

function run() {
  const { core, clock, uart: [line] } = chip;
  for (let i = 0; i < 2000; i++) {
    while (uart.waiting.length && line.rxFIFO.empty) line.feedByte(uart.waiting.pop());
    if (cdc.waiting.length && cdc.room) {
      const bytes = cdc.waiting.splice(-cdc.room).reverse();
      cdc.room = 0;
      chip.usbCtrl.endpointReadDone(usb.outEndpoint, Uint8Array.from(bytes));
    }
    const before = cycles;
    for (let j = 0; j < 100 && !core.waiting; j++) cycles += core.executeInstruction();
    clock.tick((cycles - before) * TICK);
    // A WFI with an interrupt pending does not sleep, but in rp2040js, where one that came while
    // interrupts were masked would never wake it.
    if (core.pendingInterrupts & core.enabledInterrupts) core.waiting = false;
    if (core.waiting && clock.nextAlarm) clock.tick(clock.nanosToNextAlarm);
    else if (core.waiting && !uart.waiting.length && !(cdc.waiting.length && cdc.room)) {
      running = false;
      listens();
      listens = () => {};
      flush(uart);
      flush(cdc);
      return;
    }
  }
  setImmediate(run);
}

function serve(line, then) {
  const server = net.createServer((socket) => {
    socket.setNoDelay(true);
    line.client = socket;
    socket.on('data', (bytes) => {
      line.waiting = [...bytes].reverse().concat(line.waiting);
      start();
    });
    socket.on('error', () => {});
    socket.on('close', () => { if (line.client === socket) line.client = undefined; });
  });
  server.listen(0, '127.0.0.1', () => then(`socket://127.0.0.1:${server.address().port}`));
}

serve(uart, (first) => serve(cdc, (second) => {
  listens = () => console.log(`${first} ${second}`);
  boot();
}));
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'cycles') console.log(cycles);
  if (line === 'reset') {
    listens = () => console.log('boot');
    boot(chip);
  }
}).on('close', () => process.exit(0));
