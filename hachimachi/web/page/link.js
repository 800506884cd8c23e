// The connection to the server: packets of the feed come in, messages of the protocol go out, and one clock for both.

const PINGS = 12; // answers among which the quickest tells how far apart the clocks are

export class Link {
  constructor() {
    this.handlers = {}; // what came → functions
    this.offset = null; // seconds of the playing clock at performance.now() = 0
    this.trips = [];
    this.open = false;
    this.wait = 250;
  }

  on(kind, handler) {
    (this.handlers[kind] ??= []).push(handler);
  }

  emit(kind, value) {
    for (const handler of this.handlers[kind] ?? []) handler(value);
  }

  // A link with a token, once: it becomes a cookie, and leaves the address.
  async enter() {
    const token = location.hash.slice(1);
    if (!token) return;
    const answer = await fetch("/enter", { method: "POST", body: token });
    if (answer.ok) history.replaceState(null, "", "/");
    else this.emit("error", await answer.text());
  }

  connect() {
    this.socket = new WebSocket(`ws://${location.host}/socket`);
    this.socket.addEventListener("open", () => {
      this.open = true;
      this.wait = 250;
      this.trips = [];
      this.ping();
      this.emit("connection", true);
    });
    this.socket.addEventListener("message", (message) => this.receive(JSON.parse(message.data)));
    this.socket.addEventListener("close", () => {
      if (this.open) this.emit("connection", false);
      this.open = false;
      setTimeout(() => this.connect(), this.wait);
      this.wait = Math.min(4000, this.wait * 2);
    });
  }

  ping() {
    if (!this.open) return;
    this.post({ ping: performance.now() });
    setTimeout(() => this.ping(), this.trips.length < PINGS ? 100 : 2000);
  }

  receive(packet) {
    if ("pong" in packet) {
      const now = performance.now();
      const trip = now - packet.pong;
      this.trips.push([trip, packet.clock - (packet.pong + trip / 2) / 1000]);
      if (this.trips.length > PINGS) this.trips.shift();
      this.offset = this.trips.reduce((best, each) => (each[0] < best[0] ? each : best))[1];
      return;
    }
    // until the first answer to a ping: as if nothing took any time
    this.offset ??= packet.at - performance.now() / 1000;
    this.emit("packet", packet);
  }

  // Seconds of the playing clock, now and at a moment of performance.now().
  now() {
    return performance.now() / 1000 + (this.offset ?? 0);
  }

  // The moment of performance.now(), in milliseconds, of one in seconds of the playing clock.
  local(at) {
    return (at - (this.offset ?? 0)) * 1000;
  }

  send(route, ...values) {
    this.post({ osc: [route, ...values] });
  }

  input(prefix, values) {
    this.post({ osc: [`${prefix}/input`, ...values], at: this.now() });
  }

  post(message) {
    if (this.open && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
