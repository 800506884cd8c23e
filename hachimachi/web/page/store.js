// What is known of the performance: of each model what it is, what was asked of it, and the events of the last minute.

export const YOU = 0, MODEL = 1, CUT = 2, SCHEDULED = 3, CANCELLED = 4, RELEASED = 5;
const KEPT = 75; // seconds
const SAMPLING = ["temperature", "top_p", "min_p"];

export const noteName = (pitch) =>
  `${["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"][((pitch % 12) + 12) % 12]}${Math.floor(pitch / 12) - 1}`;

export class Model {
  constructor(about, index) {
    this.about = about;
    this.index = index;
    this.features = about.columns.filter((column) => column.name !== "time");
    this.names = this.features.map((column) => column.name);
    this.column = Object.fromEntries(about.columns.map((column) => [column.name, column]));
    this.notes = this.names.includes("pitch");
    this.state = {}; // the newest of the feed: counts, mode, state, late
    this.steering = { numbers: {}, constraints: {} };
    this.events = []; // {at, end, who, values, number, sounded}
    this.open = new Map(); // notes whose end is not known, by who, pitch and channel
    this.scheduled = new Map();
    this.rates = [];
  }

  value(event, name) {
    return event.values[this.names.indexOf(name)];
  }

  key(who, pitch, channel) {
    return `${who} ${Math.round(pitch)} ${channel == null ? "" : Math.round(channel)}`;
  }

  // Take in one event of the feed; return it where it is to be heard, with what is to be done.
  take([at, who, values, number]) {
    if (who === CANCELLED) {
      const event = this.scheduled.get(number);
      this.scheduled.delete(number);
      if (event) event.end = event.at = -Infinity;
      return event && { cancel: event };
    }
    if (who === CUT || who === RELEASED) {
      const event = this.open.get(this.key(who === CUT ? MODEL : YOU, values[0], values[1]));
      if (event && (event.end === null || event.end > at)) event.end = at;
      return who === CUT && { cut: values, at };
    }
    if (who === MODEL && this.scheduled.has(number)) {
      const event = this.scheduled.get(number);
      this.scheduled.delete(number);
      event.sounded = true;
      return null;
    }
    const event = { at, end: at, who: who === YOU ? YOU : MODEL, values, number, sounded: who !== SCHEDULED };
    if (this.notes) {
      const duration = this.value(event, "duration");
      event.end = duration == null ? null : at + Math.max(0, duration);
      const key = this.key(event.who, this.value(event, "pitch"), this.value(event, "channel") ?? this.value(event, "instrument"));
      const before = this.open.get(key);
      if (before && (before.end === null || before.end > at)) before.end = at;
      this.open.set(key, event);
    }
    if (who === SCHEDULED) this.scheduled.set(number, event);
    this.events.push(event);
    return { play: event };
  }

  forget() {
    this.events = [];
    this.open.clear();
    this.scheduled.clear();
  }

  prune(now) {
    if (this.events.length && this.events[0].at > now - KEPT - 15) return;
    this.events = this.events.filter((event) => event.at > now - KEPT);
    for (const [key, event] of this.open) if (event.at < now - KEPT) this.open.delete(key);
    for (const [key, event] of this.scheduled) if (event.at < now - KEPT) this.scheduled.delete(key);
  }

  // Take in how it stands; events a second are those of the last two.
  update(state, now) {
    if (state.heard < this.state.heard) this.rates = [];
    this.state = state;
    this.rates.push([now, state.heard, state.played]);
    while (this.rates.length > 2 && this.rates[1][0] < now - 2) this.rates.shift();
  }

  rate(now) {
    const before = this.rates.findLast?.((each) => each[0] <= now - 2) ?? this.rates[0];
    const newest = this.rates[this.rates.length - 1];
    return newest ? [1, 2].map((i) => (newest[i] - before[i]) / 2) : [0, 0];
  }

  // Take in what was answered on /status, values as they were sent.
  answer(key, values) {
    const { numbers, constraints } = this.steering;
    if (key === "ready" && values[0]) {
      this.steering = { ...this.steering, numbers: {}, constraints: {}, polyphony: 0 };
    } else if (SAMPLING.includes(key)) {
      if (values.length === 1) numbers[key] = { "": values[0] };
      else (numbers[key] ??= {})[values[0]] = values[1];
    } else if (key === "constrain") {
      (constraints[values[0]] ??= {})[values[1]] = values.slice(2);
    } else if (key === "release") {
      if (values.length > 1) delete (constraints[values[0]] ?? {})[values[1]];
    } else {
      this.steering[key] = values.length === 1 ? values[0] : values;
    }
  }

  number(what, name = "") {
    const given = this.steering.numbers[what] ?? {};
    const plain = what === "min_p" ? 0 : 1;
    if (name in given) return given[name];
    return name === "time" || name === "duration" ? plain : (given[""] ?? plain);
  }
}

export class Store {
  constructor() {
    this.models = [];
    this.shown = 0;
  }

  get model() {
    return this.models[this.shown];
  }

  // Replace the models that are others than before; return whether any is.
  meet(about) {
    const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
    const before = this.models;
    this.models = about.map((each, i) => (before[i] && same(before[i].about, each) ? before[i] : new Model(each, i)));
    for (const model of this.models) {
      const old = before[model.index];
      if (!old || old === model) continue;
      model.steering = old.steering; // what was asked of the one before holds for its successor
      if (same(old.names, model.names)) Object.assign(model, { events: old.events, open: old.open, scheduled: old.scheduled });
    }
    this.shown = Math.min(this.shown, this.models.length - 1);
    return this.models.some((model, i) => model !== before[i]) || before.length !== this.models.length;
  }

  // The models that a status line is of: by its number, or all.
  of(route) {
    const number = /^\/(\d+)\//.exec(route);
    return number ? this.models.filter((model) => model.index === number[1] - 1) : this.models;
  }
}
