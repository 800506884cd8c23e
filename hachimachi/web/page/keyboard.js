// A piano to touch, and the computer's keys as its keys.

import { noteName } from "./store.js";

const BLACK = new Set([1, 3, 6, 8, 10]);
// two octaves: the lower rows are white and black keys from C on, as on a tracker
const CODES = ["KeyA", "KeyW", "KeyS", "KeyE", "KeyD", "KeyF", "KeyT", "KeyG", "KeyY", "KeyH", "KeyU", "KeyJ", "KeyK", "KeyO", "KeyL", "KeyP", "Semicolon"];
const CAPS = ["A", "W", "S", "E", "D", "F", "T", "G", "Y", "H", "U", "J", "K", "O", "L", "P", ";"];
const WIDEST = 38, NARROWEST = 26; // pixels of a white key

export class Keyboard {
  constructor(element, player, model) {
    this.element = element;
    this.player = player;
    const { low, high, median } = model.column.pitch;
    this.low = Math.max(0, Math.floor(low / 12) * 12);
    this.high = Math.min(127, Math.ceil((high + 1) / 12) * 12);
    this.first = Math.max(this.low, Math.floor((median - 6) / 12) * 12); // where the computer's keys begin
    this.fingers = new Map(); // pointer → pitch
    this.typed = new Map(); // code → pitch
    player.watchers = [(pitch, down) => this.keys.get(pitch)?.classList.toggle("down", down)];
    this.build();
    this.observer = new ResizeObserver(() => this.build());
    this.observer.observe(element);
  }

  close() {
    this.observer.disconnect();
    this.player.releaseAll();
  }

  // As many octaves as there is room for, those around the middle.
  build() {
    const width = this.element.clientWidth || 320;
    const octaves = Math.max(1, Math.min((this.high - this.low) / 12, Math.floor(width / (7 * NARROWEST))));
    if (octaves === this.octaves && this.built === this.first) return;
    this.octaves = octaves;
    this.built = this.first;
    const most = Math.max(this.low, this.high - octaves * 12);
    this.from = Math.min(most, Math.max(this.low, this.first - Math.floor((octaves - 1) / 2) * 12));
    const to = Math.min(127, this.from + octaves * 12);
    this.keys = new Map();
    const piano = document.createElement("div");
    piano.className = "piano";
    piano.setAttribute("role", "group");
    piano.setAttribute("aria-label", "Keyboard: arrows move, space plays; the letters A to ; play too, Z and X change octave");
    const white = [];
    for (let pitch = this.from; pitch <= to; pitch++) if (!BLACK.has(pitch % 12)) white.push(pitch);
    piano.style.maxWidth = `${white.length * WIDEST}px`;
    for (let pitch = this.from; pitch <= to; pitch++) {
      const black = BLACK.has(pitch % 12);
      const key = document.createElement("button");
      key.type = "button";
      key.className = black ? "black" : "white";
      key.dataset.pitch = pitch;
      key.tabIndex = pitch === this.first ? 0 : -1;
      key.setAttribute("aria-label", noteName(pitch));
      const cap = CAPS[pitch - this.first];
      key.innerHTML = `<span>${pitch % 12 ? "" : noteName(pitch)}</span><kbd>${cap ?? ""}</kbd>`;
      if (black) {
        const before = white.filter((each) => each < pitch).length;
        key.style.left = `${((before - 0.3) / white.length) * 100}%`;
        key.style.width = `${(0.6 / white.length) * 100}%`;
      }
      this.keys.set(pitch, key);
      piano.append(key);
    }
    piano.addEventListener("pointerdown", (event) => this.touch(event));
    piano.addEventListener("pointermove", (event) => this.fingers.has(event.pointerId) && this.touch(event));
    for (const kind of ["pointerup", "pointercancel"]) {
      piano.addEventListener(kind, (event) => this.lift(event.pointerId));
    }
    piano.addEventListener("contextmenu", (event) => event.preventDefault());
    piano.addEventListener("keydown", (event) => this.arrow(event));
    piano.addEventListener("keyup", (event) => event.code === "Space" && this.untype("Space"));
    piano.addEventListener("focusout", () => this.untype("Space"));
    this.element.replaceChildren(piano);
  }

  touch(event) {
    if (event.type === "pointerdown") {
      if (event.button) return;
      // a finger is not held by the key it began on, so that it can glide
      if (event.target.hasPointerCapture?.(event.pointerId)) event.target.releasePointerCapture(event.pointerId);
      event.currentTarget.setPointerCapture(event.pointerId);
      event.preventDefault();
    }
    const key = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-pitch]");
    const pitch = key ? Number(key.dataset.pitch) : null;
    if (pitch === this.fingers.get(event.pointerId)) return;
    this.lift(event.pointerId, true);
    if (pitch === null) return void (event.type === "pointerdown" || this.fingers.set(event.pointerId, null));
    const box = key.getBoundingClientRect();
    const depth = (event.clientY - box.top) / box.height; // near the front a key is louder
    this.fingers.set(event.pointerId, pitch);
    this.player.press(pitch, 0.3 + 0.65 * depth);
  }

  lift(pointer, gliding = false) {
    const pitch = this.fingers.get(pointer);
    if (!gliding) this.fingers.delete(pointer);
    if (pitch != null && ![...this.fingers].some(([other, each]) => other !== pointer && each === pitch)) this.player.release(pitch);
  }

  arrow(event) {
    const pitch = Number(document.activeElement?.dataset?.pitch);
    if (Number.isNaN(pitch)) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 12, ArrowDown: -12 }[event.code];
    if (step) {
      const next = this.keys.get(pitch + step);
      if (next) {
        document.activeElement.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      }
      event.preventDefault();
    } else if (event.code === "Space" || event.code === "Enter") {
      if (!event.repeat) this.type("Space", pitch);
      event.preventDefault();
    }
  }

  // A key of the computer goes down or up; returns whether it is one that plays.
  down(event) {
    if (event.code === "KeyZ" || event.code === "KeyX") {
      const to = this.first + (event.code === "KeyX" ? 12 : -12);
      if (to >= this.low && to < this.high) this.first = to;
      this.build();
      return true;
    }
    const i = CODES.indexOf(event.code);
    if (i < 0) return false;
    if (!event.repeat) this.type(event.code, this.first + i);
    return true;
  }

  type(code, pitch) {
    if (pitch > 127 || this.typed.has(code)) return;
    this.typed.set(code, pitch);
    this.player.press(pitch, 0.7);
  }

  untype(code) {
    const pitch = this.typed.get(code);
    this.typed.delete(code);
    if (pitch !== undefined) this.player.release(pitch);
  }
}
