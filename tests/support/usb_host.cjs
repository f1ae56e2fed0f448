// Makes the USB host of rp2040js ask a board all that an operating system does, and note the answers.
//
// usage: NODE_OPTIONS="--require usb_host.cjs" USB_NOTES=FILE node emulator.cjs ...
//
// The file gets a line of JSON: what came to each request, by name, and whether one that no board
// knows was refused; then one for each packet of the line, its length.
'use strict';
const fs = require('fs');
const rp2040js = require('rp2040js');

const notes = process.env.USB_NOTES;
const read = (value, size, type = 0x80, request = 6) => [type, request, value & 255, value >> 8, 0, 0, size, 0];
const REQUESTS = [
  ['device', read(0x0100, 18)], ['languages', read(0x0300, 255)], ['maker', read(0x0301, 255)],
  ['product', read(0x0302, 255)], ['serial', read(0x0303, 255)], ['configuration', read(0x0200, 255)],
  ['head', read(0x0200, 9)], ['in use', read(0, 1, 0x80, 8)], ['status', read(0, 2, 0x80, 0)],
  ['coding set', read(0, 7, 0x21, 0x20)], ['coding', read(0, 7, 0xa1, 0x21)],
];
const CODING = [0x80, 0x25, 0, 0, 0, 0, 8]; // 9600 baud

class Host extends rp2040js.USBCDC {
  constructor(usb) {
    super(usb);
    const next = usb.onEndpointWrite;
    const answers = {};
    let asked, finished = false;
    usb.onEndpointWrite = (endpoint, bytes) => {
      if (asked && endpoint === 0) this.take([...bytes]);
      else next(endpoint, bytes);
    };
    let emulators;
    Object.defineProperty(usb, 'onEndpointRead', {
      set(handler) { emulators = handler; },
      get: () => (endpoint, size) => {
        if (endpoint === 0 && asked?.[0] === 'coding set') usb.endpointReadDone(0, Uint8Array.from(CODING));
        else emulators(endpoint, size);
      },
    });
    this.take = (bytes) => {
      answers[asked[0]] = (answers[asked[0]] ?? []).concat(bytes);
      if (bytes.length === 64) return;
      const at = REQUESTS.findIndex(([name]) => name === asked[0]) + 1;
      ask(REQUESTS[at]);
    };
    const ask = (request) => {
      asked = request ?? ['unknown', read(0x0600, 10)];
      if (!request) usb.rp2040.clock.createAlarm(() => finish(usb.epStallArm === 3)).schedule(1e6);
      usb.sendSetupPacket(Uint8Array.from(asked[1]));
    };
    const finish = (refused) => {
      asked = undefined;
      finished = true;
      fs.appendFileSync(notes, JSON.stringify({ ...answers, refused }) + '\n');
    };
    this.onDeviceConnected = () => usb.rp2040.clock.createAlarm(() => ask(REQUESTS[0])).schedule(1e6);
    this.packet = (bytes) => finished && fs.appendFileSync(notes, `${bytes.length}\n`);
  }

  set onSerialData(handler) {
    this.handler = handler;
  }

  get onSerialData() {
    return (bytes) => {
      this.packet(bytes);
      this.handler(bytes);
    };
  }
}
Object.defineProperty(rp2040js, 'USBCDC', { value: Host });
