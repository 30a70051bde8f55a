// Follows one streamed reply to its end, across broken connections.
//
// Deltas carry their place in the text, in UTF-16 units, which is what JavaScript counts in. A piece that fits is
// appended; of one that begins before the end the new tail is kept; a gap asks for the whole text again.

import { ApiError, stream } from "./client.js";

const ATTEMPTS = 6;
const GAPS = 3;

function pause(millis, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, millis);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

export class Follower {
  // `open` starts the stream; without it, or after a break, the reply is joined by its id.
  // `on` has started, grew, cited, failed, ended and broke.
  constructor({ messageId, text = "", on, signal }) {
    this.messageId = messageId;
    this.text = text;
    this.generation = null;
    this.on = on;
    this.signal = signal;
  }

  // Resolves when the reply has ended, was given up, or the signal came. Throws where nothing was begun.
  async run(open) {
    for (let failures = 0, gaps = 0; !this.signal.aborted; ) {
      const lengthBefore = this.text.length;
      const outcome = await this.once(open ?? (() => this.join()));
      if (outcome === "ended" || this.signal.aborted) return;
      open = undefined;
      if (outcome === "gap") gaps += 1;
      failures = this.text.length > lengthBefore ? 1 : failures + 1;
      if (failures > ATTEMPTS || gaps > GAPS) {
        this.on.broke(true);
        return;
      }
      this.on.broke(false);
      await pause(Math.min(400 * 2 ** failures, 10000), this.signal);
    }
  }

  join() {
    return stream("GET", `/api/messages/${this.messageId}/stream?offset=${this.text.length}`, undefined, this.signal);
  }

  async once(open) {
    try {
      for await (const event of await open()) {
        const outcome = this.take(event);
        if (outcome) return outcome;
      }
      return "broken";
    } catch (error) {
      if (this.signal.aborted) return "ended";
      // Before its beginning a reply has no id to join by, and a refusal will be the same next time.
      if (!this.messageId || (error instanceof ApiError && !error.passing)) throw error;
      return "broken";
    }
  }

  take({ name, id, data }) {
    if (name === "start") this.start(data);
    else if (name === "delta") return this.delta(data, data.gen ?? Number(id.split(":")[0]));
    else if (name === "citations") this.on.cited(Array.isArray(data) ? data : data.citations);
    else if (name === "error") this.on.failed(data);
    else if (name === "final") this.on.ended(data.message, data.usage);
    else if (name === "done") return "ended";
    return undefined;
  }

  start(data) {
    this.messageId = data.messageId;
    this.generation = data.gen ?? null;
    this.on.started(data);
  }

  delta({ offset, text }, generation) {
    if (this.generation !== null && generation && generation !== this.generation) return undefined;
    const known = this.text.length - offset;
    if (known < 0) {
      this.text = "";
      return "gap";
    }
    this.text += text.slice(known);
    this.on.grew(this.text);
    return undefined;
  }
}
