// Small pieces that controls are made of.

let count = 0;

export function option(value, text = value) {
  return new Option(String(text), String(value));
}

export function button(text, action, name) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  if (name) made.setAttribute("aria-label", name);
  made.addEventListener("click", action);
  return made;
}

// A label and what belongs to it, in a line.
export function field(text, ...inputs) {
  const row = document.createElement("div");
  row.className = "field";
  const label = document.createElement("label");
  label.textContent = text;
  const first = inputs.find((input) => input.matches("input, select"));
  if (first) label.htmlFor = first.id ||= `field-${++count}`;
  row.append(label, ...inputs);
  return row;
}

export function check(text, checked, action) {
  const input = Object.assign(document.createElement("input"), { type: "checkbox", checked });
  input.addEventListener("change", () => action(input.checked));
  const label = document.createElement("label");
  label.className = "check";
  label.append(input, ` ${text}`);
  return label;
}

export function choice(values, action) {
  const select = document.createElement("select");
  for (const [value, text] of values) select.append(option(value, text));
  select.addEventListener("change", () => action(select.value));
  return select;
}

// A number to be asked for: a slider and a box. Both show what was answered, and until then look as if asked.
export class Asked {
  constructor(text, { low, high, step, log = false }, ask) {
    this.log = log;
    this.slider = Object.assign(document.createElement("input"), { type: "range", step: "any" });
    [this.slider.min, this.slider.max] = [low, high].map((end) => this.to(end));
    this.box = Object.assign(document.createElement("input"), { type: "text", inputMode: "decimal", autocomplete: "off" });
    this.box.className = "number";
    this.box.setAttribute("aria-label", `${text}, exactly`);
    this.row = field(text, this.slider, this.box);
    this.known = null;
    const round = (value) => Number((Math.round(value / step) * step).toFixed(6));
    const send = (value) => {
      this.row.classList.add("asked");
      ask(value);
    };
    let last = 0;
    this.slider.addEventListener("input", () => {
      this.dragging = true;
      const now = performance.now();
      if (now - last < 60) return;
      last = now;
      send(round(this.from(this.slider.value)));
    });
    this.slider.addEventListener("change", () => {
      this.dragging = false;
      send(round(this.from(this.slider.value)));
    });
    this.box.addEventListener("input", () => (this.editing = true));
    this.box.addEventListener("blur", () => (this.editing = false));
    this.box.addEventListener("change", () => {
      this.editing = false;
      const value = Number(this.box.value.replace(",", "."));
      if (this.box.value.trim() && Number.isFinite(value)) send(value);
      else this.show(this.known);
    });
  }

  to(value) {
    return this.log ? Math.log2(Math.max(1e-6, value)) : value;
  }

  from(value) {
    return this.log ? 2 ** Number(value) : Number(value);
  }

  show(value) {
    this.known = value;
    this.row.classList.remove("asked");
    if (!this.dragging) this.slider.value = this.to(value);
    if (!this.editing) this.box.value = String(value);
    this.slider.setAttribute("aria-valuetext", String(value));
  }
}
