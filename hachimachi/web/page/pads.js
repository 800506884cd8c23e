// For events that are not notes: a slider for each feature and a pad for two of them, sent as /input.

import { field, option } from "./fields.js";

const EVERY = 33; // milliseconds between two inputs of a hand that moves

export class Pads {
  constructor(element, player, model) {
    this.player = player;
    this.values = {};
    this.sliders = {};
    this.timer = null;
    const names = model.about.input.length ? model.about.input : model.names;
    const sliders = document.createElement("div");
    sliders.className = "sliders";
    for (const name of names) {
      const { low, high, median, whole, values } = model.column[name];
      this.values[name] = median;
      let input;
      if (values.length) {
        input = document.createElement("select");
        for (const value of values) input.append(option(value));
      } else {
        input = Object.assign(document.createElement("input"), { type: "range", min: low, max: high, step: whole ? 1 : (high - low) / 1000 || 1 });
      }
      input.value = median;
      input.addEventListener("input", () => this.move({ [name]: Number(input.value) }));
      this.sliders[name] = input;
      sliders.append(field(name, input));
    }
    element.replaceChildren(sliders);
    const moving = names.filter((name) => !model.column[name].values.length);
    if (moving.length > 1) element.prepend(this.pad(moving, model));
    const again = Object.assign(document.createElement("button"), { type: "button", textContent: "Send" });
    again.addEventListener("click", () => this.move({}));
    sliders.append(again);
  }

  close() {
    clearTimeout(this.timer);
  }

  pad(names, model) {
    const box = document.createElement("div");
    box.className = "padbox";
    const pad = document.createElement("div");
    pad.className = "pad";
    pad.tabIndex = 0;
    pad.setAttribute("role", "application");
    pad.setAttribute("aria-label", "Pad: arrow keys move it; the sliders beside it do the same");
    const dot = document.createElement("i");
    pad.append(dot);
    const axes = ["x", "y"].map((axis, i) => {
      const select = document.createElement("select");
      for (const name of names) select.append(option(name));
      select.value = names[i];
      return select;
    });
    const at = [0.5, 0.5];
    const go = (x, y) => {
      at[0] = Math.min(1, Math.max(0, x));
      at[1] = Math.min(1, Math.max(0, y));
      dot.style.left = `${at[0] * 100}%`;
      dot.style.top = `${(1 - at[1]) * 100}%`;
      this.move(Object.fromEntries(axes.map((select, i) => {
        const { low, high, whole } = model.column[select.value];
        const value = low + at[i] * (high - low);
        return [select.value, whole ? Math.round(value) : Number(value.toPrecision(6))];
      })));
    };
    const touch = (event) => {
      const frame = pad.getBoundingClientRect();
      go((event.clientX - frame.left) / frame.width, 1 - (event.clientY - frame.top) / frame.height);
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      touch(event);
    });
    pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && touch(event));
    pad.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, 0.02], ArrowDown: [0, -0.02] }[event.code];
      if (!step) return;
      go(at[0] + step[0], at[1] + step[1]);
      event.preventDefault();
    });
    box.append(pad, field("across", axes[0]), field("up", axes[1]));
    return box;
  }

  // Send what has changed, the first at once, then no more often than a hand needs.
  move(values) {
    Object.assign(this.values, values);
    for (const [name, value] of Object.entries(values)) this.sliders[name].value = value;
    if (this.timer) return void (this.waits = true);
    this.player.send(this.values);
    this.timer = setTimeout(() => {
      this.timer = null;
      if (this.waits) this.move({});
      this.waits = false;
    }, EVERY);
  }
}
