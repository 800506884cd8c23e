// What the person at the page plays: notes or values become /input, and sound here at once.

export class Player {
  constructor(link, store, sound) {
    this.link = link;
    this.store = store;
    this.sound = sound;
    this.monitor = true; // whether one's own notes sound
    this.held = new Map(); // pitch → voice
    this.sent = []; // notes of this page: when they come back on the feed they have sounded
    this.watchers = [];
  }

  // The values of the shortest /input, the unknown ones at their median.
  values(given) {
    const { about, column } = this.store.model;
    return about.input.map((name) => given[name] ?? column[name].median);
  }

  press(pitch, loud = 0.7) {
    const model = this.store.model;
    if (!model?.notes || this.held.has(pitch)) return;
    const { low = 1, high = 127, whole } = model.column.velocity ?? {};
    const velocity = low + Math.min(1, Math.max(0, loud)) * (high - low);
    this.link.input(model.about.prefix, this.values({ pitch, velocity: whole ? Math.round(velocity) : velocity }));
    this.sent.push([pitch, performance.now()]);
    this.held.set(pitch, this.monitor ? this.sound.play(performance.now(), pitch, loud, null) : null);
    this.watchers.forEach((watch) => watch(pitch, true));
  }

  release(pitch) {
    if (!this.held.has(pitch)) return;
    this.sound.stop(this.held.get(pitch), performance.now());
    this.held.delete(pitch);
    const { about } = this.store.model;
    const velocity = about.input.indexOf("velocity");
    if (about.releases && velocity >= 0) {
      const values = this.values({ pitch });
      values[velocity] = 0;
      this.link.input(about.prefix, values);
    }
    this.watchers.forEach((watch) => watch(pitch, false));
  }

  releaseAll() {
    for (const pitch of [...this.held.keys()]) this.release(pitch);
  }

  // Whether a note of the feed is one that was played here.
  claims(pitch) {
    const now = performance.now();
    this.sent = this.sent.filter((each) => now - each[1] < 2000);
    const i = this.sent.findIndex((each) => each[0] === pitch);
    if (i >= 0) this.sent.splice(i, 1);
    return i >= 0;
  }

  send(given) {
    this.link.input(this.store.model.about.prefix, this.values(given));
  }
}
