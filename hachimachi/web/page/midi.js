// MIDI ports of the browser: keys in, and what the model plays out.

const DRUMS = 9;

export class Midi {
  constructor(player) {
    this.player = player;
    this.access = null;
    this.out = null;
    this.watchers = [];
  }

  // Why there are none here, in a sentence; empty where there may be.
  get missing() {
    if (navigator.requestMIDIAccess) return "";
    if (!window.isSecureContext) {
      return `MIDI ports need a secure page, and this one is plain http. On this device, ssh -L ${location.port || 80}:127.0.0.1:${location.port || 80} ${location.hostname}, started beside hxmx run --web without --web-address, gives it as http://localhost:${location.port || 80}; or connect the keys to the computer that plays: --midi-in.`;
    }
    return "This browser has no MIDI ports; Chrome, Edge and Firefox do.";
  }

  async open() {
    this.access = await navigator.requestMIDIAccess();
    const listen = () => {
      for (const input of this.access.inputs.values()) input.onmidimessage = (message) => this.hear(message.data);
      this.watchers.forEach((watch) => watch());
    };
    this.access.onstatechange = listen;
    listen();
  }

  get outputs() {
    return this.access ? [...this.access.outputs.values()] : [];
  }

  hear([status, pitch, velocity]) {
    const kind = status & 0xf0;
    if (kind === 0x90 && velocity) this.player.press(pitch, velocity / 127);
    else if (kind === 0x80 || kind === 0x90) this.player.release(pitch);
  }

  // Send a note of the model at a moment of performance.now().
  play(local, pitch, loud, seconds, drum) {
    const note = Math.round(pitch);
    if (!this.out || note < 0 || note > 127) return null;
    const channel = drum ? DRUMS : 0;
    const at = Math.max(performance.now(), local);
    this.out.send([0x90 | channel, note, Math.max(1, Math.min(127, Math.round(loud * 127)))], at);
    if (seconds !== null) this.out.send([0x80 | channel, note, 0], at + seconds * 1000);
    return { note, channel };
  }

  stop(voice) {
    if (voice && this.out) this.out.send([0x80 | voice.channel, voice.note, 0]);
  }

  silence() {
    if (!this.out) return;
    this.out.clear?.();
    for (let channel = 0; channel < 16; channel++) this.out.send([0xb0 | channel, 123, 0]);
  }
}
