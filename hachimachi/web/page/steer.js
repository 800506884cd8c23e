// What a model is asked: every control sends a message of the protocol, and shows what was answered on /status.

import { Asked, button, choice, field, option } from "./fields.js";

const MODES = ["follow", "loop", "respond", "duet"];
const TONICS = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];
const SCALES = ["major", "minor", "harmonic minor", "melodic minor", "dorian", "phrygian", "lydian", "mixolydian", "locrian", "pentatonic", "minor pentatonic", "blues", "whole tone", "octatonic", "chromatic"];
const SAMPLING = {
  temperature: ["temperature", { low: 0, high: 2, step: 0.05 }],
  top_p: ["top-p", { low: 0.05, high: 1, step: 0.01 }],
  min_p: ["min-p", { low: 0, high: 0.5, step: 0.01 }],
};
const $ = (id) => document.getElementById(id);
const fields = (id) => $(id).querySelector(".fields");

// How far learning is, and what came of it.
function learned({ steering: { learn = [] } }) {
  const [phase = "nothing", share = 0, before = 0] = learn;
  const scores = `${share.toFixed(2)} nats per event, ${before.toFixed(2)} before`;
  const words = { nothing: "", training: `learning, ${Math.round(100 * share)} %`, better: `better: ${scores}`, "no better": `no better: ${scores}` };
  $("learned").textContent = words[phase] ?? phase;
}

export class Steer {
  constructor(link, store) {
    this.link = link;
    this.store = store;
    this.shows = []; // functions that show what is known
    for (const name of ["start", "pause", "reset", "panic", "learn", "forget"]) {
      $(name).addEventListener("click", () => this.send(`/${name}`));
    }
    for (const mode of MODES) {
      const made = button(mode, () => this.send("/mode", mode));
      made.dataset.mode = mode;
      $("modes").append(made);
    }
  }

  send(route, ...values) {
    const { model } = this.store;
    if (model) this.link.send(model.about.prefix + route, ...values);
  }

  // Make the controls that suit a model.
  build() {
    const { model } = this.store;
    this.shows = [learned];
    for (const made of $("modes").children) made.disabled = !model.about.temporal && made.dataset.mode !== "follow";
    fields("sampling").replaceChildren(
      ...Object.keys(SAMPLING).map((what) => this.number(what, "")),
      ...(model.about.temporal ? [this.plain("speed", { low: 0.25, high: 4, step: 0.05, log: true }), this.plain("silence", { low: 0, high: 10, step: 0.1 })] : []),
      ...(model.notes ? [this.plain("polyphony", { low: 0, high: 16, step: 1 })] : []),
      this.asLearned(),
    );
    fields("features").replaceChildren(...model.about.columns.map((column) => this.feature(column)));
    fields("more").replaceChildren(this.seed(), this.standbys(), ...this.primers());
    this.show();
  }

  show() {
    for (const show of this.shows) show(this.store.model);
  }

  number(what, name) {
    const [text, range] = SAMPLING[what];
    const control = new Asked(name ? `${name} ${text}` : text, range, (value) => this.send(`/${what}`, ...(name ? [name] : []), value));
    control.row.firstChild.textContent = text;
    control.row.dataset.control = name ? `${what} ${name}` : what;
    this.shows.push((model) => control.show(model.number(what, name)));
    return control.row;
  }

  plain(what, range) {
    const control = new Asked(what, range, (value) => this.send(`/${what}`, value));
    control.row.dataset.control = what;
    this.shows.push((model) => control.show(model.steering[what] ?? (what === "speed" ? 1 : 0)));
    return control.row;
  }

  asLearned() {
    return button("As learned", () => {
      this.send("/temperature", 1);
      this.send("/top_p", 1);
      this.send("/min_p", 0);
      this.send("/release");
      if (this.store.model.notes) this.send("/polyphony", 0);
    });
  }

  feature(column) {
    const { name } = column;
    const box = document.createElement("details");
    const summary = document.createElement("summary");
    box.append(summary, ...Object.keys(SAMPLING).map((what) => this.number(what, name)));
    if (column.values.length) box.append(this.categories(column));
    else box.append(this.range(column));
    if (name === "pitch") box.append(this.scale());
    this.shows.push((model) => {
      const held = Object.entries(model.steering.constraints[name] ?? {}).map(([kind, words]) => `${kind} ${words.join(" ")}`);
      const asked = Object.keys(SAMPLING).filter((what) => name in (model.steering.numbers[what] ?? {})).map((what) => `${SAMPLING[what][0]} ${model.number(what, name)}`);
      summary.textContent = name;
      const note = document.createElement("small");
      note.textContent = [...asked, ...held].join(" · ");
      summary.append(" ", note);
    });
    return box;
  }

  range({ name, low, high }) {
    const ends = [low, high].map((end, i) => {
      const box = Object.assign(document.createElement("input"), { type: "text", inputMode: "decimal", className: "number", placeholder: String(Number(end.toPrecision(4))) });
      box.setAttribute("aria-label", `${name}, ${i ? "highest" : "lowest"}`);
      box.addEventListener("change", () => {
        const [from, to] = ends.map((each) => (each.value.trim() === "" ? "-" : Number(each.value.replace(",", "."))));
        if (from === "-" && to === "-") this.send("/release", name, "range");
        else this.send("/constrain", name, "range", from, to);
      });
      return box;
    });
    this.shows.push((model) => {
      const words = model.steering.constraints[name]?.range ?? [];
      ends.forEach((box, i) => {
        if (document.activeElement !== box) box.value = words[i] == null || words[i] === "-" ? "" : String(words[i]);
      });
    });
    const row = field("range", ...ends);
    row.dataset.control = `range ${name}`;
    return row;
  }

  scale() {
    const names = [["", "any"], ...SCALES.map((scale) => [scale, scale])];
    const ask = () => {
      if (kind.value) this.send("/constrain", "pitch", "scale", `${tonic.value} ${kind.value}`);
      else this.send("/release", "pitch", "scale");
    };
    const tonic = choice(TONICS.map((each) => [each, each]), () => kind.value && ask());
    const kind = choice(names, ask);
    kind.setAttribute("aria-label", "Scale");
    tonic.setAttribute("aria-label", "Tonic");
    this.shows.push((model) => {
      const [given = ""] = model.steering.constraints.pitch?.scale ?? [];
      const [, root = "", scale = "major"] = /^(\S+)\s*(.*)$/.exec(given) ?? [];
      if (given && ![...kind.options].some((each) => each.value === scale)) kind.append(option(scale));
      if (given && ![...tonic.options].some((each) => each.value === root)) tonic.append(option(root));
      kind.value = given ? scale : "";
      if (given) tonic.value = root;
    });
    return field("scale", tonic, kind);
  }

  categories({ name, values }) {
    const box = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = `${name}: which`;
    box.append(legend);
    const boxes = values.map((value) => {
      const input = Object.assign(document.createElement("input"), { type: "checkbox", value: String(value) });
      const label = document.createElement("label");
      label.className = "check";
      label.append(input, ` ${value}`);
      box.append(label);
      input.addEventListener("change", () => {
        const chosen = boxes.filter((each) => each.checked).map((each) => Number(each.value));
        if (chosen.length === 0 || chosen.length === values.length) this.send("/release", name, "values");
        else this.send("/constrain", name, "values", ...chosen);
        this.show(); // until it is answered, as it was
      });
      return input;
    });
    this.shows.push((model) => {
      const held = model.steering.constraints[name]?.values;
      for (const input of boxes) input.checked = !held || held.includes(Number(input.value));
    });
    return box;
  }

  seed() {
    const box = Object.assign(document.createElement("input"), { type: "text", inputMode: "numeric", className: "number wide", autocomplete: "off" });
    const ask = () => /^\d+$/.test(box.value.trim()) && this.send("/seed", box.value.trim());
    box.addEventListener("keydown", (event) => event.key === "Enter" && ask());
    this.shows.push((model) => document.activeElement !== box && (box.value = String(model.steering.seed ?? "")));
    const row = field("seed", box, button("Begin anew", ask, "Begin the chances of this seed anew"));
    row.dataset.control = "seed";
    return row;
  }

  standbys() {
    const { models, name } = this.store.model.about;
    const names = models.includes(name) ? models : [...models, name];
    const select = choice(names.map((each) => [each, each]), (value) => this.send("/load", value));
    select.disabled = models.length < 2;
    select.value = name;
    this.shows.push((model) => (select.value = model.about.name));
    return field("model", select);
  }

  primers() {
    const { primers } = this.store.model.about;
    const rows = primers.length ? [field("primer", ...[choice(primers.map((each) => [each, each]), () => {})].flatMap((select) => [select, button("Go on from it", () => this.send("/prime", select.value))]))] : [];
    const seconds = Object.assign(document.createElement("input"), { type: "text", inputMode: "decimal", className: "number", value: "10" });
    rows.push(field("my last seconds", seconds, button("Go on from them", () => this.send("/prime", "last", Number(seconds.value) || 10))));
    return rows;
  }
}
