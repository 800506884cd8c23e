// The sound: plain WebAudio nodes, which work on any http page, and notes that begin at the sample where a time is known.

const VOICES = 64;
const FAR = 0.02; // seconds by which the two clocks may part before they are set anew
const NOISE_SECONDS = 1;

// What a timbre is: partials as [ratio, amount, wave], the envelope in seconds, and how its tone darkens.
export const TIMBRES = {
  keys: { partials: [[1, 0.7, "triangle"], [2, 0.18, "sine"], [4.01, 0.06, "sine"]], attack: 0.004, decay: 1.6, sustain: 0, release: 0.14, cutoff: 6 },
  pluck: { partials: [[1, 0.55, "sawtooth"], [2.002, 0.2, "triangle"]], attack: 0.002, decay: 0.5, sustain: 0, release: 0.08, cutoff: 9, close: 0.18 },
  organ: { partials: [[1, 0.4, "sine"], [2, 0.25, "sine"], [3, 0.15, "sine"], [4, 0.08, "sine"]], attack: 0.015, decay: 0.1, sustain: 0.85, release: 0.06, cutoff: 12 },
  strings: { partials: [[0.997, 0.3, "sawtooth"], [1.003, 0.3, "sawtooth"]], attack: 0.09, decay: 0.3, sustain: 0.8, release: 0.3, cutoff: 4 },
  bells: { partials: [[1, 0.5, "sine"], [2.76, 0.25, "sine"], [5.4, 0.12, "sine"]], attack: 0.002, decay: 2.2, sustain: 0, release: 0.5, cutoff: 20 },
};
// Which of them stands for an instrument of General MIDI, by its family of eight.
const FAMILIES = ["keys", "bells", "organ", "pluck", "pluck", "strings", "strings", "organ", "organ", "organ", "pluck", "strings", "bells", "pluck", "bells", "bells"];

export class Sound {
  constructor() {
    this.context = null;
    this.volume = 0.7;
    this.muted = false;
    this.timbre = "auto";
    this.voices = new Set();
    this.offset = null; // seconds of the audio clock at performance.now() = 0
  }

  get running() {
    return this.context?.state === "running";
  }

  // Begin, at a touch: browsers want it so.
  wake() {
    if (!this.context) {
      const Context = window.AudioContext ?? window.webkitAudioContext;
      if (!Context) return;
      this.context = new Context({ latencyHint: "interactive" });
      this.out = this.context.createGain();
      this.out.gain.value = this.muted ? 0 : this.volume;
      const limiter = this.context.createDynamicsCompressor();
      limiter.threshold.value = -14;
      limiter.ratio.value = 8;
      this.meter = this.context.createAnalyser();
      this.out.connect(limiter).connect(this.meter).connect(this.context.destination);
      this.noise = this.context.createBuffer(1, this.context.sampleRate * NOISE_SECONDS, this.context.sampleRate);
      const samples = this.noise.getChannelData(0);
      for (let i = 0; i < samples.length; i++) samples[i] = Math.random() * 2 - 1;
    }
    if (this.context.state !== "running") this.context.resume();
  }

  setVolume(volume, muted) {
    this.volume = volume;
    this.muted = muted;
    this.out?.gain.setTargetAtTime(muted ? 0 : volume, this.context.currentTime, 0.02);
  }

  // Largest sample of what sounds at this moment.
  level() {
    if (!this.meter) return 0;
    const samples = new Float32Array(this.meter.fftSize);
    this.meter.getFloatTimeDomainData(samples);
    return samples.reduce((largest, each) => Math.max(largest, Math.abs(each)), 0);
  }

  // The audio clock at a moment of performance.now() in milliseconds; both tick alike, so their distance is smoothed.
  time(local) {
    const { contextTime, performanceTime } = this.context.getOutputTimestamp?.() ?? {};
    const here = performanceTime > 0 ? contextTime - performanceTime / 1000 : this.context.currentTime - performance.now() / 1000;
    this.offset = this.offset === null || Math.abs(here - this.offset) > FAR ? here : this.offset + 0.05 * (here - this.offset);
    return local / 1000 + this.offset;
  }

  // Play a note at a moment of performance.now() (at once where that has passed), for some seconds or, with null, until
  // it is stopped; loud from 0 to 1. Returns the voice, to `stop` it.
  play(local, pitch, loud, seconds, program = 0, drum = false) {
    if (!this.running) return null;
    const at = Math.max(this.context.currentTime + 0.001, this.time(local));
    const gain = this.context.createGain();
    gain.connect(this.out);
    const voice = { gain, at, end: Infinity, sources: [], timbre: null };
    if (drum) this.strike(voice, pitch, loud, at);
    else this.sing(voice, pitch, loud, at, this.timbre === "auto" ? FAMILIES[(program >> 3) & 15] : this.timbre);
    this.voices.add(voice);
    voice.sources[0].onended = () => {
      gain.disconnect();
      this.voices.delete(voice);
      voice.sources = []; // whoever keeps the voice keeps no nodes
      voice.gain = null;
    };
    if (!drum && seconds !== null) this.finish(voice, at + Math.min(Math.max(0.03, seconds), 30));
    if (this.voices.size > VOICES) this.cut([...this.voices].reduce((first, each) => (each.at < first.at ? each : first)));
    return voice;
  }

  sing(voice, pitch, loud, at, name) {
    const timbre = TIMBRES[name];
    const frequency = 440 * 2 ** ((pitch - 69) / 12);
    const filter = this.context.createBiquadFilter();
    const top = Math.min(16000, frequency * timbre.cutoff * (0.4 + loud));
    filter.frequency.setValueAtTime(top, at);
    if (timbre.close) filter.frequency.exponentialRampToValueAtTime(Math.max(80, top * 0.12), at + timbre.close);
    filter.connect(voice.gain);
    const peak = 0.05 + 0.3 * loud * loud;
    voice.gain.gain.setValueAtTime(0, at);
    voice.gain.gain.linearRampToValueAtTime(peak, at + timbre.attack);
    voice.gain.gain.setTargetAtTime(peak * timbre.sustain, at + timbre.attack, timbre.decay / 3);
    for (const [ratio, amount, wave] of timbre.partials) {
      if (frequency * ratio > 18000) continue;
      const oscillator = this.context.createOscillator();
      const level = this.context.createGain();
      oscillator.type = wave;
      oscillator.frequency.value = frequency * ratio;
      level.gain.value = amount;
      oscillator.connect(level).connect(filter);
      oscillator.start(at);
      voice.sources.push(oscillator);
    }
    voice.timbre = timbre;
  }

  // A drum of General MIDI: a bass drum, a tom, a snare or a cymbal.
  strike(voice, pitch, loud, at) {
    const bass = pitch <= 36, tom = [41, 43, 45, 47, 48, 50].includes(pitch) || pitch > 59;
    const open = [46, 49, 51, 52, 53, 55, 57, 59].includes(pitch);
    const length = bass ? 0.28 : tom ? 0.3 : open ? 0.7 : [38, 40, 39].includes(pitch) ? 0.2 : 0.07;
    const peak = 0.15 + 0.45 * loud;
    voice.gain.gain.setValueAtTime(peak, at);
    voice.gain.gain.setTargetAtTime(0, at + 0.002, length / 4);
    if (bass || tom) {
      const oscillator = this.context.createOscillator();
      const start = bass ? 130 : 60 + (pitch - 40) * 9;
      oscillator.frequency.setValueAtTime(start * 1.6, at);
      oscillator.frequency.exponentialRampToValueAtTime(start * 0.6, at + length * 0.7);
      oscillator.connect(voice.gain);
      oscillator.start(at);
      voice.sources.push(oscillator);
    } else {
      const noise = this.context.createBufferSource();
      const filter = this.context.createBiquadFilter();
      noise.buffer = this.noise;
      filter.type = "highpass";
      filter.frequency.value = [38, 40, 39].includes(pitch) ? 1200 : 6500;
      noise.connect(filter).connect(voice.gain);
      noise.start(at, Math.random() * (NOISE_SECONDS - 0.8));
      voice.sources.push(noise);
    }
    for (const source of voice.sources) source.stop(at + length * 1.6);
  }

  // End a voice at a moment of performance.now(); one that has not begun by then is not heard.
  stop(voice, local) {
    if (!voice?.gain || !voice.timbre) return;
    const at = Math.max(this.context.currentTime, this.time(local));
    if (at <= voice.at) this.cut(voice);
    else if (at < voice.end) this.finish(voice, at);
  }

  finish(voice, at) {
    const { release } = voice.timbre;
    voice.end = at;
    voice.gain.gain.cancelScheduledValues(at);
    if (voice.gain.gain.cancelAndHoldAtTime && at < voice.at + voice.timbre.attack) voice.gain.gain.cancelAndHoldAtTime(at);
    voice.gain.gain.setTargetAtTime(0, at, release / 3);
    for (const source of voice.sources) source.stop(at + release * 2);
  }

  cut(voice) {
    voice.gain.gain.cancelScheduledValues(0);
    voice.gain.gain.setTargetAtTime(0, this.context.currentTime, 0.005);
    for (const source of voice.sources) source.stop(this.context.currentTime + 0.03);
  }

  silence() {
    for (const voice of this.voices) this.cut(voice);
  }
}
