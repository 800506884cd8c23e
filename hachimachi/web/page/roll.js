// The picture: notes, or a trace for each feature of what are not notes, running with the music.

import { YOU, noteName } from "./store.js";

const NOW = 0.78; // where the line of now stands, as a share of the width
const STRIP = 34; // pixels of a feature's strip below notes
const MANY = 3000; // notes beyond which their beginnings are not marked
const LEFT = 38, WIDEST_NAME = 110; // pixels for names

export class Roll {
  constructor(canvas, store, now) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.store = store;
    this.now = now;
    this.seconds = 12; // shown
    this.apart = true; // the player's notes above those of the model
    this.hidden = new Set();
    this.frames = []; // milliseconds that the last frames took
    this.low = 48;
    this.high = 72;
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.recolour();
    this.resize();
  }

  recolour() {
    const style = getComputedStyle(document.documentElement);
    this.colours = Object.fromEntries(
      ["ground", "text", "faint", "grid", "you", "model"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    );
  }

  resize() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.max(1, Math.round(this.width * ratio));
    this.canvas.height = Math.max(1, Math.round(this.height * ratio));
    this.ratio = ratio;
  }

  shows(name) {
    return !this.hidden.has(name);
  }

  draw() {
    const began = performance.now();
    const { context, colours } = this;
    const model = this.store.model;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, this.width, this.height);
    context.font = `${Math.max(12, Math.min(17, this.height / 40))}px system-ui, sans-serif`;
    const widths = model?.notes ? [] : (model?.names ?? []).map((name) => context.measureText(name).width + 10);
    this.margin = Math.min(WIDEST_NAME, Math.max(LEFT, ...widths));
    if (model && this.width > this.margin) {
      const now = this.now();
      this.scale = (this.width - this.margin) / this.seconds;
      this.left = now - (this.seconds * NOW);
      const visible = model.events.filter((event) => event.at < this.left + this.seconds && (event.end ?? now) > this.left);
      context.textBaseline = "middle";
      this.drawSeconds();
      if (model.notes) this.drawNotes(model, visible, now);
      else this.drawTraces(model, visible, 0, this.height - 18, model.names.filter((name) => this.shows(name)), now);
      context.globalAlpha = 0.8;
      context.fillStyle = colours.text;
      context.fillRect(this.x(now), 0, 1.5, this.height - 16);
      context.globalAlpha = 1;
    }
    this.frames.push(performance.now() - began);
    if (this.frames.length > 240) this.frames.shift();
  }

  x(at) {
    return this.margin + (at - this.left) * this.scale;
  }

  drawSeconds() {
    const { context, colours } = this;
    const step = this.seconds > 30 ? 10 : this.seconds > 14 ? 5 : 1;
    const now = this.left + this.seconds * NOW;
    context.textAlign = "center";
    for (let ago = Math.floor((this.seconds * NOW) / step) * step; ago >= 0; ago -= step) {
      const x = this.x(now - ago);
      context.fillStyle = colours.grid;
      context.fillRect(x, 0, 1, this.height - 16);
      context.fillStyle = colours.faint;
      const labelled = ago === 0 || step > 1 || (ago % (this.width < 500 ? 4 : 2) === 0 && x > this.margin);
      if (labelled) context.fillText(ago ? `−${ago} s` : "now", x, this.height - 8);
    }
  }

  drawNotes(model, visible, now) {
    const { context, colours } = this;
    const pitch = model.names.indexOf("pitch");
    const strips = model.names.filter((name) => !["pitch", "velocity", "duration"].includes(name) && this.shows(name));
    const below = strips.length * STRIP;
    let low = Infinity, high = -Infinity;
    for (const event of visible) {
      const value = event.values[pitch];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low <= high) { // whole octaves, and they narrow only slowly
      low = Math.floor(Math.max(0, low) / 12) * 12;
      high = Math.floor(Math.min(127, high) / 12) * 12 + 12;
      this.low = low < this.low ? low : this.low + Math.min(12, low - this.low) * (this.low + 12 < low ? 1 : 0);
      this.high = high > this.high ? high : this.high - Math.min(12, this.high - high) * (this.high - 12 > high ? 1 : 0);
    }
    const all = this.height - 18 - below;
    const gap = this.apart ? 6 : 0;
    const above = this.apart ? Math.round((all - gap) * 0.4) : all;
    const lanes = this.apart ? [[0, above], [above + gap, all - above - gap]] : [[0, all], [0, all]];
    for (const [top, height] of this.apart ? lanes : [lanes[0]]) this.drawOctaves(top, height);
    if (this.apart) {
      context.fillStyle = colours.grid;
      context.fillRect(0, above + 2, this.width, 2);
    }
    const marked = visible.length < MANY;
    const velocity = this.shows("velocity") ? model.names.indexOf("velocity") : -1;
    const { low: softest = 1, high: loudest = 127 } = model.column.velocity ?? {};
    const long = this.shows("duration");
    for (const who of [1 - YOU, YOU]) { // the player's above the model's
      const [top, height] = lanes[who];
      const row = height / (this.high - this.low);
      const thick = Math.max(2.5, row * (who === YOU && !this.apart ? 0.55 : 0.9));
      context.fillStyle = who === YOU ? colours.you : colours.model;
      for (const event of visible) {
        if (event.who !== who) continue;
        const coming = event.at > now;
        const y = top + height - (event.values[pitch] - this.low + 0.5) * row - thick / 2;
        const x = Math.max(this.margin, this.x(event.at));
        const end = event.end ?? Math.max(event.at, now);
        const width = Math.max(3, (long ? this.x(end) - x : 4) - 1);
        const loud = velocity < 0 || event.values[velocity] == null ? 1 : (event.values[velocity] - softest) / (loudest - softest || 1);
        context.globalAlpha = coming ? 0.4 : 0.55 + 0.45 * Math.min(1, Math.max(0, loud));
        context.fillRect(x, y, width, thick);
        if (marked && width > 6) {
          context.globalAlpha = coming ? 0.6 : 1;
          context.fillRect(x, y, 3, thick);
        }
      }
    }
    context.globalAlpha = 1;
    this.drawTraces(model, visible, all, below, strips, now);
  }

  drawOctaves(top, height) {
    const { context, colours } = this;
    const row = height / (this.high - this.low);
    context.textAlign = "right";
    for (let note = this.low; note <= this.high; note += 12) {
      const y = top + height - (note - this.low) * row;
      context.fillStyle = colours.grid;
      context.fillRect(this.margin, y, this.width, 1);
      context.fillStyle = colours.faint;
      if (note < this.high && (row * 12 > 13 || note % 24 === 0)) context.fillText(noteName(note), this.margin - 6, y - Math.min(7, row * 6));
    }
  }

  // One strip for each feature, from top on: the player's values and the model's, held until the next.
  drawTraces(model, visible, top, height, names, now) {
    const { context, colours } = this;
    const each = height / Math.max(1, names.length);
    names.forEach((name, i) => {
      const column = model.names.indexOf(name);
      const { low, high } = model.column[name];
      const floor = top + (i + 1) * each - 4;
      const y = (value) => floor - ((value - low) / (high - low || 1)) * (each - 10);
      context.globalAlpha = 1;
      context.fillStyle = colours.grid;
      context.fillRect(this.margin, floor + 3, this.width, 1);
      for (const who of [1 - YOU, YOU]) {
        const colour = who === YOU ? colours.you : colours.model;
        context.strokeStyle = context.fillStyle = colour;
        context.lineWidth = who === YOU ? 1.5 : 2.5;
        context.globalAlpha = 0.55;
        context.beginPath();
        let before = null;
        const points = [];
        for (const event of visible) {
          const value = event.values[column];
          if (event.who !== who || value == null || event.at === -Infinity) continue;
          const x = Math.max(this.margin, this.x(event.at)), to = Math.min(floor + 3, Math.max(floor - each + 6, y(value)));
          if (event.at <= now) {
            if (before === null) context.moveTo(x, to);
            else context.lineTo(x, before), context.lineTo(x, to);
            before = to;
          }
          points.push([x, to, event.at > now]);
        }
        if (before !== null) context.lineTo(this.x(now), before);
        if (!model.notes) context.stroke();
        const size = who === YOU ? 4 : 5;
        for (const [x, to, coming] of points.length < MANY ? points : []) {
          context.globalAlpha = coming ? 0.4 : 1;
          context.fillRect(x - size / 2, to - size / 2, size, size);
        }
      }
      context.globalAlpha = 1;
      context.textAlign = "left";
      context.fillStyle = colours.text;
      context.fillText(name, 4, floor - each + 14);
    });
  }
}
