// The one socket of the page: signs in by its first frame, asks and answers, and comes back by itself when the
// connection dies. What a room missed meanwhile is the room's own business: it joins again with its last number.

import { freshToken, isSignedIn } from "./client.js";
import { language } from "./i18n.js";

const ANSWER_MS = 15000;
const SILENCE_MS = 35000;
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 20000;

export class SocketError extends Error {
  constructor(frame) {
    super(frame.detail ?? frame.error);
    this.slug = frame.error;
    this.retryAfterMs = frame.retryAfterMs;
  }
}

class Socket {
  constructor() {
    this.state = "off";
    this.rooms = new Map();
    this.watchers = new Set();
    this.pending = new Map();
    this.nextId = 0;
    this.failures = 0;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.probe());
  }

  // ---- who is interested

  enter(room) {
    this.rooms.set(room.roomId, room);
    if (this.state === "off") this.open();
    else if (this.state === "on") room.connected();
    room.stateChanged(this.state);
  }

  leave(room) {
    if (this.rooms.get(room.roomId) !== room) return;
    this.rooms.delete(room.roomId);
    if (this.state === "on") this.ask("room.leave", { roomId: room.roomId }).catch(() => {});
    if (this.rooms.size === 0) this.close();
  }

  setState(state) {
    this.state = state;
    for (const room of this.rooms.values()) room.stateChanged(state);
  }

  // ---- the connection

  async open() {
    clearTimeout(this.timer);
    this.setState("connecting");
    let token;
    try {
      token = await freshToken();
    } catch {
      this.again();
      return;
    }
    if (!token || this.rooms.size === 0) {
      this.setState("off");
      return;
    }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const wire = new WebSocket(`${scheme}://${location.host}/ws`);
    this.wire = wire;
    wire.addEventListener("open", () => this.signIn(wire, token));
    wire.addEventListener("message", (event) => this.wire === wire && this.received(event.data));
    wire.addEventListener("close", () => this.lost(wire));
    this.heard();
  }

  async signIn(wire, token) {
    try {
      await this.ask("auth", { token });
    } catch {
      wire.close();
      return;
    }
    this.failures = 0;
    this.setState("on");
    for (const room of this.rooms.values()) room.connected();
  }

  // A half-open connection says nothing: silence is death, on this side too.
  heard() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.drop(), SILENCE_MS);
  }

  drop() {
    const { wire } = this;
    wire?.close();
    this.lost(wire);
  }

  lost(wire) {
    if (!wire || this.wire !== wire) return;
    this.wire = null;
    clearTimeout(this.silence);
    for (const { refuse, timer } of this.pending.values()) {
      clearTimeout(timer);
      refuse(new SocketError({ error: "network" }));
    }
    this.pending.clear();
    if (this.rooms.size > 0 && isSignedIn()) this.again();
    else this.setState("off");
  }

  again() {
    this.setState("waiting");
    const longest = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.failures);
    this.failures += 1;
    const wait = Math.max(this.waitAtLeast ?? 0, Math.random() * longest);
    this.waitAtLeast = 0;
    this.timer = setTimeout(() => this.open(), wait);
  }

  hurry() {
    if (this.state !== "waiting") return;
    this.failures = 0;
    this.open();
  }

  // A page that comes back from the background may hold a dead connection without knowing.
  probe() {
    if (this.state !== "on") {
      this.hurry();
      return;
    }
    const { wire } = this;
    const timer = setTimeout(() => this.wire === wire && this.drop(), 3000);
    this.onPong = () => clearTimeout(timer);
    this.write({ op: "ping" });
  }

  close() {
    clearTimeout(this.timer);
    const { wire } = this;
    this.wire = null;
    wire?.close();
    clearTimeout(this.silence);
    this.setState("off");
  }

  // ---- frames

  write(frame) {
    if (this.wire?.readyState === WebSocket.OPEN) this.wire.send(JSON.stringify(frame));
  }

  tell(op, data) {
    this.write({ op, data });
  }

  ask(op, data) {
    this.nextId += 1;
    const reqId = `w-${this.nextId}`;
    return new Promise((take, refuse) => {
      if (this.wire?.readyState !== WebSocket.OPEN) {
        refuse(new SocketError({ error: "network" }));
        return;
      }
      const timer = setTimeout(() => {
        this.pending.delete(reqId);
        refuse(new SocketError({ error: "network" }));
      }, ANSWER_MS);
      this.pending.set(reqId, { take, refuse, timer });
      this.write({ op, reqId, lang: language(), data });
    });
  }

  received(text) {
    this.heard();
    this.onPong?.();
    for (const line of String(text).split("\n")) {
      if (line) this.take(JSON.parse(line));
    }
  }

  take(frame) {
    if (frame.reqId && this.pending.has(frame.reqId)) {
      const { take, refuse, timer } = this.pending.get(frame.reqId);
      clearTimeout(timer);
      this.pending.delete(frame.reqId);
      if (frame.event === "error") refuse(new SocketError(frame));
      else take(frame);
      return;
    }
    if (frame.op === "ping") this.write({ op: "pong" });
    else if (frame.op === "bye") this.waitAtLeast = frame.retry ? frame.afterMs : BACKOFF_MAX_MS;
    else if (frame.roomId) this.rooms.get(frame.roomId)?.pushed(frame);
  }
}

export const socket = new Socket();
