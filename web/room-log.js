// What this page knows of one room: its last number, its growing replies. It applies what comes in order, once, and
// asks for what is missing. It draws nothing.

import { socket } from "./socket.js";

export class RoomLog {
  constructor(roomId, on) {
    this.roomId = roomId;
    this.on = on;
    this.seq = undefined;
    this.epoch = undefined;
    this.streams = new Map();
    this.waiting = [];
    this.joining = false;
  }

  enter() {
    socket.enter(this);
  }

  leave() {
    socket.leave(this);
  }

  stateChanged(state) {
    this.on.state(state);
  }

  // ---- joining, at the start and after every break

  async connected() {
    if (this.joining) return;
    this.joining = true;
    this.waiting = [];
    const live = {};
    for (const [id, stream] of this.streams) live[id] = [stream.gen, stream.text.length];
    try {
      this.joined(await socket.ask("room.join", { roomId: this.roomId, since: this.seq, epoch: this.epoch, live }));
    } catch (error) {
      if (error.slug !== "network") this.on.refused(error);
    } finally {
      this.joining = false;
    }
  }

  joined(frame) {
    const { epoch, head, events, more, reset, streams, online, onlineUserIds } = frame;
    this.epoch = epoch;
    if (reset || more || this.seq === undefined) {
      // Too much was missed, or it is another log: the page reads the newest messages anew.
      this.seq = head;
      this.streams.clear();
      this.on.reload();
    } else {
      for (const event of events) this.apply(event);
      this.seq = Math.max(this.seq, head);
    }
    for (const { messageId, gen, offset, text } of streams ?? []) this.splice(messageId, gen, offset, text);
    this.on.online(online, onlineUserIds ?? []);
    this.joining = false;
    for (const waiting of this.waiting.splice(0)) this.pushed(waiting);
  }

  // ---- what comes

  pushed(frame) {
    if (this.joining) {
      this.waiting.push(frame);
      return;
    }
    if (frame.op === "room.event") this.numbered(frame);
    else if (frame.op === "room.delta") this.splice(frame.messageId, frame.gen, frame.offset, frame.text);
    else this.on.passing(frame);
  }

  numbered(event) {
    if (event.seq <= this.seq) return;
    if (event.seq > this.seq + 1) {
      this.connected();
      return;
    }
    this.apply(event);
  }

  apply(event) {
    if (event.seq <= this.seq) return;
    this.seq = event.seq;
    if (event.event === "ai_start") this.streams.set(event.messageId, { gen: event.gen, text: "" });
    if (event.event === "ai_end") this.ended(event);
    this.on.event(event);
  }

  ended(event) {
    const stream = this.streams.get(event.messageId);
    this.streams.delete(event.messageId);
    if (event.text === undefined && stream?.text.length !== event.length) this.on.reread(event.messageId);
    event.text ??= stream?.text;
  }

  // Same number of units: goes on. Fewer: only the new tail. More: something is missing.
  splice(messageId, gen, offset, text) {
    const stream = this.streams.get(messageId) ?? { gen, text: "" };
    if (gen < stream.gen) return;
    if (gen > stream.gen) Object.assign(stream, { gen, text: "" });
    this.streams.set(messageId, stream);
    if (offset > stream.text.length) {
      this.fill(messageId, stream);
      return;
    }
    const tail = text.slice(stream.text.length - offset);
    if (!tail) return;
    stream.text += tail;
    this.on.grew(messageId, stream.text);
  }

  async fill(messageId, stream) {
    if (stream.filling) return;
    stream.filling = true;
    try {
      const data = { roomId: this.roomId, messageId, gen: stream.gen, offset: stream.text.length };
      const snapshot = await socket.ask("room.sync", data);
      stream.filling = false;
      this.splice(messageId, snapshot.gen, snapshot.offset, snapshot.text);
    } catch {
      stream.filling = false;
    }
  }
}
