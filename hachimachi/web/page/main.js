// The page: puts the parts together, and passes on what the feed tells.

import { button, check, choice, field } from "./fields.js";
import { Keyboard } from "./keyboard.js";
import { Link } from "./link.js";
import { Midi } from "./midi.js";
import { Pads } from "./pads.js";
import { Player } from "./player.js";
import { Roll } from "./roll.js";
import { Sound, TIMBRES } from "./sound.js";
import { Steer } from "./steer.js";
import { MODEL, Store, YOU } from "./store.js";

const $ = (id) => document.getElementById(id);
const remembered = (key, otherwise) => localStorage.getItem(`hxmx ${key}`) ?? otherwise;
const remember = (key, value) => localStorage.setItem(`hxmx ${key}`, value);
const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

export const link = new Link();
export const store = new Store();
export const sound = new Sound();
export const player = new Player(link, store, sound);
export const midi = new Midi(player);
export const steer = new Steer(link, store);
export const roll = new Roll($("roll"), store, () => link.now());
let instrument = null;
let lookahead = Number(remembered("lookahead", here ? 0 : 40)); // milliseconds
let tones = false, others = false;
let connected = false, lost = false;

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => ($("message").hidden = true), 8000);
}

// How an event sounds: where there is no pitch, as a soft tone for its first feature that is shown.
function voiceOf(model, event) {
  const value = (name) => model.value(event, name);
  const { low = 1, high = 127 } = model.column.velocity ?? {};
  const loud = value("velocity") == null ? 0.6 : Math.min(1, Math.max(0, (value("velocity") - Math.min(low, 0)) / (Math.max(high, 1) - Math.min(low, 0))));
  const counted = (model.column.channel?.high ?? 0) > 15 ? 10 : 9;
  const drum = value("instrument") === 128 || (!model.names.includes("instrument") && value("channel") === counted);
  if (model.notes) {
    return { pitch: value("pitch"), loud, seconds: event.end === null ? null : event.end - event.at, program: value("instrument") ?? 0, drum };
  }
  const name = model.names.find((each) => !roll.hidden.has(each) && value(each) != null);
  if (!tones || !name) return null;
  const { low: from, high: to } = model.column[name];
  const step = Math.round(((value(name) - from) / (to - from || 1)) * 15);
  return { pitch: 48 + 12 * Math.floor(step / 5) + [0, 2, 4, 7, 9][((step % 5) + 5) % 5], loud: 0.35, seconds: 0.25, program: 8, drum: false };
}

function hear(model, packet) {
  const done = model.take(packet);
  if (!done) return;
  if (done.cancel) return void silence(done.cancel);
  if (done.cut) {
    for (const event of model.events) {
      if (event.voice && model.value(event, "pitch") === done.cut[0] && event.at <= done.at) silence(event, done.at);
    }
    return;
  }
  const event = done.play;
  if (event.who === YOU && (player.claims(model.value(event, "pitch")) || !others)) return;
  const voice = voiceOf(model, event);
  if (!voice) return;
  // what is known ahead may wait a little for the network; what is due sounds at once
  const local = event.sounded ? 0 : link.local(event.at) + lookahead;
  event.voice = sound.play(local, voice.pitch, voice.loud, voice.seconds, voice.program, voice.drum);
  event.port = event.who === MODEL ? midi.play(local, voice.pitch, voice.loud, voice.seconds, voice.drum) : null;
}

function silence(event, at = -Infinity) {
  if (event.voice) sound.stop(event.voice, at === -Infinity ? -1e9 : link.local(at) + lookahead);
  if (event.port) midi.stop(event.port);
  event.voice = event.port = null;
}

function show() {
  const { model } = store;
  const now = link.now();
  const { state = {}, about } = model ?? {};
  $("name").textContent = about?.name ?? "hachimachi";
  document.title = about ? `${about.name} – hachimachi` : "hachimachi";
  const words = { playing: "Playing", listening: "Listening", paused: "Paused", stopped: "Ended" };
  const text = !connected ? "Connection lost; looking for it" : lost || !model ? "Waiting for hxmx run" : words[state.state] ?? "Ready";
  if ($("state").textContent !== text) $("state").textContent = text;
  document.body.dataset.state = !connected || lost || !model ? "lost" : (state.state ?? "");
  for (const made of $("modes").children) made.setAttribute("aria-pressed", String(made.dataset.mode === state.mode));
  if (!model) return;
  const [heard, played] = model.rate(now);
  const late = state.late ?? [];
  const ms = (value) => (value == null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);
  const numbers = [
    ["you", `${heard.toFixed(1)}/s`],
    ["model", `${played.toFixed(1)}/s`],
    ["late p50", ms(late[0])],
    ["late p99", ms(late[1])],
    ["skipped", state.skipped ?? 0],
    ["refused", state.refused ?? 0],
  ];
  if ($("numbers").childElementCount !== numbers.length) {
    $("numbers").replaceChildren(...numbers.map(([name]) => {
      const box = document.createElement("div");
      box.append(Object.assign(document.createElement("dt"), { textContent: name }), document.createElement("dd"));
      return box;
    }));
  }
  numbers.forEach(([, value], i) => ($("numbers").children[i].lastChild.textContent = String(value)));
}

function rebuild() {
  const { model } = store;
  if (!model) return;
  instrument?.close();
  instrument = model.notes ? new Keyboard($("instrument"), player, model) : new Pads($("instrument"), player, model);
  steer.build();
  const tabs = store.models.map((each, i) => {
    const made = button(each.about.name, () => {
      store.shown = i;
      rebuild();
      show();
    });
    made.setAttribute("aria-pressed", String(i === store.shown));
    return made;
  });
  $("tabs").replaceChildren(...tabs);
  $("tabs").hidden = tabs.length < 2;
  const key = (name) => Object.assign(document.createElement("span"), { className: `key ${name}`, textContent: name });
  const apart = check("apart", roll.apart, (on) => (roll.apart = on));
  const seconds = choice([6, 12, 24, 60].map((each) => [each, `${each} s`]), (value) => (roll.seconds = Number(value)));
  seconds.value = roll.seconds;
  seconds.setAttribute("aria-label", "Seconds shown");
  const names = model.names.filter((name) => name !== "pitch");
  roll.hidden = new Set(model.notes ? names.filter((name) => !["velocity", "duration"].includes(name)) : []);
  const features = names.map((name) => check(name, !roll.hidden.has(name), (on) => roll.hidden[on ? "delete" : "add"](name)));
  $("legend").replaceChildren(key("you"), key("model"), seconds, ...(model.notes ? [apart] : []), ...features);
}

function buildSound() {
  const volume = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 1, step: 0.01, value: remembered("volume", 0.7) });
  const mute = button("Mute", () => set(!sound.muted));
  const set = (muted) => {
    sound.setVolume(Number(volume.value), muted);
    mute.setAttribute("aria-pressed", String(muted));
    remember("volume", volume.value);
  };
  volume.addEventListener("input", () => set(sound.muted));
  set(false);
  const timbre = choice([["auto", "as the instrument"], ...Object.keys(TIMBRES).map((each) => [each, each])], (value) => (sound.timbre = value));
  const ahead = choice([0, 20, 40, 80, 150, 300].map((each) => [each, each ? `adds ${each} ms` : "adds nothing"]), (value) => remember("lookahead", (lookahead = Number(value))));
  ahead.value = lookahead;
  ahead.title = "What is known ahead sounds so much later, and evenly over a slow network; an answer that is due sounds at once";
  const ports = document.createElement("div");
  const showPorts = () => {
    if (midi.missing) return void ports.replaceChildren(Object.assign(document.createElement("p"), { className: "hint", textContent: midi.missing }));
    if (!midi.access) {
      return void ports.replaceChildren(field("MIDI", button("Use this device's ports", () => midi.open().catch((error) => say(`No MIDI ports: ${error.message}`)))));
    }
    const outputs = choice([["", "nowhere"], ...midi.outputs.map((each) => [each.id, each.name])], (value) => {
      midi.silence();
      midi.out = midi.access.outputs.get(value) ?? null;
    });
    outputs.value = midi.out?.id ?? "";
    ports.replaceChildren(field("MIDI in", Object.assign(document.createElement("span"), { textContent: [...midi.access.inputs.values()].map((each) => each.name).join(", ") || "none is there" })), field("MIDI out", outputs));
  };
  midi.watchers.push(showPorts);
  showPorts();
  $("sound").querySelector(".fields").replaceChildren(
    field("volume", volume, mute),
    field("timbre", timbre),
    field("look-ahead", ahead),
    check("my own keys", true, (on) => (player.monitor = on)),
    check("other players", false, (on) => (others = on)),
    check("tones for what are not notes", false, (on) => (tones = on)),
    ports,
  );
}

function buildKeep() {
  const span = choice([["60", "the last minute"], ["", "all of it"]], () => {});
  const save = async (suffix) => {
    const query = new URLSearchParams({ model: store.shown, ...(span.value ? { seconds: span.value } : {}) });
    const answer = await fetch(`/keep/performance.${suffix}?${query}`);
    if (!answer.ok) return say(await answer.text());
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(await answer.blob());
    anchor.download = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))[1];
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
  };
  $("keep").querySelector(".fields").replaceChildren(field("save", span), field("as", ...["mid", "json", "wav"].map((suffix) => button({ mid: "MIDI", json: "JSON", wav: "WAV" }[suffix], () => save(suffix)))));
}

link.on("connection", (on) => {
  connected = on;
  if (!on) {
    sound.silence();
    midi.silence();
    player.releaseAll();
  }
  show();
});
link.on("error", say);
link.on("packet", (packet) => {
  if (packet.lost !== undefined) lost = packet.lost;
  else lost = false;
  if (packet.refused) say(packet.refused);
  if (packet.about && store.meet(packet.about)) rebuild();
  const now = link.now();
  if (packet.hello) for (const model of store.models) model.forget();
  for (const [i, state] of (packet.models ?? []).entries()) store.models[i]?.update(state, now);
  for (const event of packet.events ?? []) {
    const model = store.models[event[4]];
    if (!model) continue;
    if (packet.hello) model.take(event); // the past is seen, not heard
    else hear(model, event);
  }
  for (const [route, key, ...values] of packet.status ?? []) {
    if (!route.endsWith("/status")) continue;
    if (key === "error") say(values[1] ?? "");
    for (const model of store.of(route)) model.answer(key, values);
  }
  if (packet.status && store.model) steer.show();
  if (lost) sound.silence();
  if (packet.models || packet.about || packet.lost !== undefined || packet.hello) show();
});

const wake = () => {
  sound.wake();
  $("hint").hidden = true;
};
for (const kind of ["pointerdown", "keydown", "touchend"]) addEventListener(kind, wake, { capture: true });
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input:not([type=range], [type=checkbox]), select, textarea")) return;
  if (event.code === "Escape") {
    sound.silence();
    midi.silence();
    steer.send("/panic");
  } else if (instrument?.down?.(event)) event.preventDefault();
});
addEventListener("keyup", (event) => instrument?.untype?.(event.code));
addEventListener("blur", () => player.releaseAll());
$("panic").addEventListener("click", () => (sound.silence(), midi.silence()));

const paint = (theme) => {
  if (theme) document.documentElement.dataset.theme = theme;
  roll.recolour();
};
$("theme").addEventListener("click", () => {
  const dark = (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark")) === "dark";
  remember("theme", dark ? "light" : "dark");
  paint(dark ? "light" : "dark");
});
matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => paint());
paint(remembered("theme", ""));
buildSound();
buildKeep();
show();

function frame() {
  roll.draw();
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);
setInterval(() => {
  for (const model of store.models) model.prune(link.now());
  show();
}, 500);
link.enter().finally(() => link.connect());
