// The page of one conversation: its history, the message being written, and the reply being streamed.

import { ApiError, call, errorText, randomId, stream } from "./client.js";
import { announce, avatar, h, icon, notice } from "./dom.js";
import { Follower } from "./follow.js";
import { dayText, sameDay } from "./format.js";
import { nameOf, openings, t } from "./i18n.js";
import { Reply, UserMessage } from "./message.js";
import { characterOf, tell } from "./state.js";

const LENGTH_MAX = 1000;
const COUNT_FROM = 800;
const PAGE = 20;
const drafts = new Map();

export class ChatPage {
  constructor(sessionId) {
    this.sessionId = sessionId;
    this.leaving = new AbortController();
    this.path = `/api/sessions/${encodeURIComponent(sessionId)}`;
    this.list = h("ol", { class: "messages" });
    this.older = h("button", { type: "button", class: "older", hidden: true, onclick: () => this.loadOlder() }, t("older"));
    this.toBottom = h("button", { type: "button", class: "to-bottom", hidden: true, "aria-label": t("toBottom"), title: t("toBottom"), onclick: () => this.scrollDown(true) }, icon("down"));
    this.scroller = h("div", { class: "scroller", tabindex: "0", role: "log", "aria-live": "off", "aria-label": t("messages") }, h("div", { class: "column" }, this.older, this.list));
    this.scroller.addEventListener("scroll", () => this.noteScroll(), { passive: true });
    this.head = h("header", { class: "chat-head" });
    this.element = h("section", { class: "chat" }, this.head, this.scroller, this.toBottom, this.composer());
    this.atBottom = true;
    this.load();
  }

  destroy() {
    drafts.set(this.sessionId, this.input.value);
    this.leaving.abort();
    this.observer?.disconnect();
  }

  get signal() {
    return this.leaving.signal;
  }

  // ---- history

  async load() {
    this.list.replaceChildren(h("li", { class: "quiet" }, t("loading")));
    try {
      const [session, history] = await Promise.all([
        call("GET", this.path, undefined, { signal: this.signal }),
        call("GET", `${this.path}/messages?limit=${PAGE}`, undefined, { signal: this.signal }),
      ]);
      this.show(session.session, history);
    } catch (error) {
      if (!this.signal.aborted) this.showFailure(error);
    }
  }

  show(session, history) {
    this.session = session;
    this.character = characterOf(session.characterId);
    this.showHead();
    this.list.replaceChildren();
    this.input.placeholder = t("ask", { name: nameOf(this.character) });
    this.input.setAttribute("aria-label", this.input.placeholder);
    this.setEnabled(true);
    this.newest = this.addOlder(history);
    if (history.messages.length === 0) this.showWelcome();
    this.scrollDown();
    this.watchTop();
    if (this.newest instanceof Reply && this.newest.isGrowing) this.follow({ reply: this.newest });
    if (matchMedia("(pointer: fine)").matches) this.input.focus({ preventScroll: true });
  }

  showHead() {
    const { character } = this;
    this.head.replaceChildren(
      avatar(character, "small"),
      h(
        "div",
        { class: "chat-title" },
        h("h1", null, nameOf(character), h("small", null, character.dimension ?? "")),
        h("p", null, this.session.title || character.background || ""),
      ),
    );
  }

  rename(title) {
    if (!this.session) return;
    this.session.title = title;
    this.showHead();
  }

  showFailure(error) {
    const gone = error instanceof ApiError && error.status === 404;
    const again = gone
      ? h("a", { class: "button", href: "#/" }, t("backHome"))
      : h("button", { type: "button", class: "button", onclick: () => this.load() }, t("retry"));
    this.list.replaceChildren(h("li", { class: "quiet" }, h("p", null, gone ? t("gone") : errorText(error)), again));
  }

  // Puts a page of messages in front, with a line where the day changes; returns the newest one's view.
  addOlder({ messages, hasMore, nextCursor }) {
    const items = [];
    let previous = null;
    let view = null;
    for (const message of messages) {
      if (!previous || !sameDay(previous.createTime, message.createTime)) items.push(dayLine(message.createTime));
      view = message.role === "user" ? new UserMessage(message) : this.newReply(message);
      items.push(view.element);
      previous = message;
    }
    const first = this.list.firstElementChild;
    if (previous && first?.millis && sameDay(first.millis, previous.createTime)) first.remove();
    this.list.prepend(...items);
    this.cursor = hasMore ? nextCursor : null;
    this.older.hidden = !this.cursor;
    return view;
  }

  newReply(message) {
    const reply = new Reply(message, characterOf(message.characterId ?? this.character.characterId), {
      onAskAgain: () => this.askAgain(reply),
    });
    reply.onDrawn = () => this.keepDown();
    return reply;
  }

  watchTop() {
    this.observer?.disconnect();
    this.observer = new IntersectionObserver(([entry]) => entry.isIntersecting && this.loadOlder(), {
      root: this.scroller,
      rootMargin: "200px 0px 0px 0px",
    });
    this.observer.observe(this.older);
  }

  async loadOlder() {
    if (!this.cursor || this.loadingOlder) return;
    this.loadingOlder = true;
    try {
      const before = encodeURIComponent(this.cursor);
      const page = await call("GET", `${this.path}/messages?before=${before}&limit=${PAGE}`, undefined, { signal: this.signal });
      const heightBefore = this.scroller.scrollHeight - this.scroller.scrollTop;
      this.addOlder(page);
      this.scroller.scrollTop = this.scroller.scrollHeight - heightBefore;
      this.watchTop();
    } catch (error) {
      if (!this.signal.aborted) notice(errorText(error));
    } finally {
      this.loadingOlder = false;
    }
  }

  showWelcome() {
    const { character } = this;
    const suggestions = openings(character.characterId).map((text) =>
      h("button", { type: "button", class: "opening", onclick: () => this.submit(text) }, text),
    );
    this.welcome = h(
      "li",
      { class: "welcome" },
      avatar(character, "large"),
      h("p", { class: "greeting" }, character.greeting || character.personality?.catchphrase || ""),
      h("div", { class: "openings" }, ...suggestions),
    );
    this.list.append(this.welcome);
  }

  // ---- scrolling

  noteScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.atBottom = scrollHeight - scrollTop - clientHeight < 60;
    this.toBottom.hidden = this.atBottom;
  }

  keepDown() {
    if (this.atBottom) this.scrollDown();
  }

  scrollDown(smoothly = false) {
    this.atBottom = true;
    const behavior = smoothly ? "smooth" : "instant";
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior });
  }

  // ---- writing

  composer() {
    this.input = h("textarea", { class: "input", rows: 1, enterkeyhint: "send", disabled: true });
    this.input.value = drafts.get(this.sessionId) ?? "";
    this.input.addEventListener("input", () => this.measure());
    this.input.addEventListener("keydown", (event) => this.pressed(event));
    this.counter = h("p", { class: "counter", hidden: true, role: "status" });
    this.button = h("button", { type: "submit", class: "send", disabled: true });
    const form = h("form", { class: "composer", autocomplete: "off" }, h("div", { class: "column composer-row" }, this.input, this.button), this.counter);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.current) this.stop();
      else this.submit(this.input.value);
    });
    this.showButton();
    return form;
  }

  // Enter sends where there is a real keyboard; while an input method composes, Enter is its own.
  pressed(event) {
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || composing) return;
    if (!matchMedia("(pointer: fine)").matches) return;
    event.preventDefault();
    if (!this.current) this.submit(this.input.value);
  }

  setEnabled(enabled) {
    this.input.disabled = !enabled;
    this.measure();
  }

  measure() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 200)}px`;
    const length = [...this.input.value.trim()].length;
    this.counter.hidden = length < COUNT_FROM;
    this.counter.classList.toggle("over", length > LENGTH_MAX);
    this.counter.textContent = length > LENGTH_MAX ? t("tooLong", { count: length }) : t("count", { count: length });
    this.showButton();
    this.keepDown();
  }

  showButton() {
    const length = [...this.input.value.trim()].length;
    const stopping = Boolean(this.current);
    this.button.replaceChildren(icon(stopping ? "stop" : "send"));
    this.button.setAttribute("aria-label", t(stopping ? "stop" : "send"));
    this.button.title = t(stopping ? "stop" : "send");
    this.button.classList.toggle("stopping", stopping);
    this.button.disabled = stopping
      ? !this.current.messageId || this.current.stopAsked
      : this.input.disabled || length === 0 || length > LENGTH_MAX;
  }

  submit(text) {
    const content = text.trim();
    const length = [...content].length;
    if (!this.session || this.current || length === 0 || length > LENGTH_MAX) return;
    if (text === this.input.value) this.input.value = "";
    this.measure();
    this.send(content, randomId());
  }

  askAgain(reply) {
    if (this.current) return;
    const question = reply.element.previousElementSibling?.querySelector(".text")?.textContent;
    if (!question) return;
    reply.showNote(reply.failure ?? t("failed"));
    this.submit(question);
  }

  // ---- the reply

  async send(content, clientMsgId, again) {
    this.welcome?.remove();
    const now = Date.now();
    const question = again ?? new UserMessage({ content, createTime: now });
    if (!again) {
      const lastDay = [...this.list.querySelectorAll(".day")].at(-1);
      if (!lastDay || !sameDay(lastDay.millis, now)) this.list.append(dayLine(now));
      this.list.append(question.element);
    }
    question.sent();
    const reply = this.newReply({ role: "assistant", status: "streaming", content: "", createTime: now });
    this.list.append(reply.element);
    this.scrollDown();
    const body = { content, clientMsgId };
    const open = () => stream("POST", `${this.path}/messages`, body, this.signal);
    try {
      await this.follow({ reply, open });
    } catch (error) {
      reply.element.remove();
      this.refused(error, content, () => this.send(content, clientMsgId, question), question);
    }
  }

  // Nothing was stored: the question stays on the page, ready to be sent again under the same id.
  refused(error, content, retry, question) {
    if (error instanceof ApiError && error.slug === "reply_in_progress") {
      // Another tab or device asked meanwhile: show its reply, and give the question back.
      this.input.value ||= content;
      notice(errorText(error));
      this.load();
      return;
    }
    question.failed(errorText(error), () => !this.current && retry());
    if (error instanceof ApiError && error.slug === "insufficient_balance") tell("charged");
    this.scrollDown();
  }

  async follow({ reply, open }) {
    const follower = new Follower({
      messageId: open ? null : reply.message.messageId,
      text: reply.content,
      signal: this.signal,
      on: this.listener(reply, () => follower),
    });
    this.current = follower;
    announce(t("answering", { name: nameOf(this.character) }));
    this.showButton();
    try {
      await follower.run(open);
    } catch (error) {
      if (open && !follower.messageId) throw error;
      reply.showNote(errorText(error), t("takeUp"), () => this.load());
    } finally {
      this.current = null;
      this.showButton();
    }
  }

  listener(reply, follower) {
    return {
      started: (data) => {
        reply.message = { ...reply.message, messageId: data.messageId, aigc: data.aigc };
        reply.showFoot();
        this.showButton();
      },
      grew: (text) => {
        reply.note.hidden = true;
        reply.setText(text);
      },
      cited: (citations) => reply.showCitations(citations ?? []),
      failed: (error) => {
        reply.failure = error?.message;
      },
      ended: (message, usage) => this.ended(reply, { usage, ...message }),
      broke: (forGood) => {
        if (forGood) reply.showNote(t("lostStream"), t("takeUp"), () => this.follow({ reply }));
        else if (follower().messageId) reply.showNote(t("reconnecting"));
      },
    };
  }

  ended(reply, message) {
    reply.update(message);
    announce(t("answered", { name: nameOf(this.character), text: message.content }));
    this.keepDown();
    tell("charged");
    tell("talked", this.sessionId);
  }

  async stop() {
    const follower = this.current;
    if (!follower?.messageId || follower.stopAsked) return;
    follower.stopAsked = true;
    this.showButton();
    try {
      await call("POST", `/api/messages/${follower.messageId}/stop`);
    } catch (error) {
      follower.stopAsked = false;
      this.showButton();
      notice(errorText(error));
    }
  }
}

function dayLine(millis) {
  const line = h("li", { class: "day" }, h("span", null, dayText(millis)));
  line.millis = millis;
  return line;
}
