// The page of one room: people and characters together, live. The log tells what happened; this draws it.

import { call, errorText, isSignedIn, randomId } from "./client.js";
import { announce, avatar, h, icon, notice } from "./dom.js";
import { clockTime, dayText, sameDay } from "./format.js";
import { nameOf, t } from "./i18n.js";
import { HouseMessage } from "./house-message.js";
import { openInvitation } from "./invitation.js";
import { Reply } from "./message.js";
import { isBlocked, loadBlocked, openReport, setBlocked } from "./people.js";
import { PersonMessage } from "./person-message.js";
import { RoomLog } from "./room-log.js";
import { socket } from "./socket.js";
import { characterOf, tell } from "./state.js";

const LENGTH_MAX = 1000;
const PAGE = 20;
const TYPING_EVERY_MS = 3000;
const TYPING_FADES_MS = 6000;
const drafts = new Map();

export class RoomPage {
  constructor(roomId, inviteCode) {
    this.roomId = roomId;
    this.inviteCode = inviteCode;
    this.path = `/api/rooms/${encodeURIComponent(roomId)}`;
    this.leaving = new AbortController();
    this.views = new Map();
    this.typists = new Map();
    this.people = new Set();
    this.list = h("ol", { class: "messages" });
    this.older = h("button", { type: "button", class: "older", hidden: true, onclick: () => this.loadOlder() }, t("older"));
    this.scroller = h("div", { class: "scroller", tabindex: "0", role: "log", "aria-live": "polite", "aria-label": t("messages") }, h("div", { class: "column" }, this.older, this.list));
    this.scroller.addEventListener("scroll", () => this.noteScroll(), { passive: true });
    this.toBottom = h("button", { type: "button", class: "to-bottom", hidden: true, "aria-label": t("toBottom"), title: t("toBottom"), onclick: () => this.scrollDown() }, icon("down"));
    this.head = h("header", { class: "chat-head room-head" });
    this.link = h("p", { class: "room-link", role: "status", hidden: true });
    this.typing = h("p", { class: "room-typing", "aria-live": "off" });
    this.element = h("section", { class: "chat room" }, this.head, this.link, this.scroller, this.toBottom, this.typing, this.composer());
    this.atBottom = true;
    this.log = new RoomLog(roomId, this.listener());
    this.load();
  }

  destroy() {
    drafts.set(this.roomId, this.input.value);
    this.leaving.abort();
    clearInterval(this.fading);
    this.log.leave();
  }

  get signal() {
    return this.leaving.signal;
  }

  async load() {
    this.list.replaceChildren(h("li", { class: "quiet" }, t("loading")));
    try {
      const { signal } = this;
      const me = await call("GET", "/api/user/profile", undefined, { signal });
      this.me = (me.user ?? me).userId;
      await loadBlocked({ signal });
      if (this.inviteCode) await this.acceptInvitation();
      let found = await call("GET", this.path, undefined, { signal });
      if (!found.userStatus?.isJoined) {
        await call("POST", `${this.path}/join`, {}, { signal });
        found = await call("GET", this.path, undefined, { signal });
      }
      this.room = found.room;
      this.mayInvite = !found.room.isPublic && ["owner", "admin"].includes(found.userStatus?.role);
      this.showHead();
      this.setEnabled(true);
      this.fading = setInterval(() => this.showTyping(), 1000);
      this.log.enter();
    } catch (error) {
      if (!this.signal.aborted) this.showFailure(error);
    }
  }

  // The code has done its work once one is in: it does not stay in the address.
  async acceptInvitation() {
    await call("POST", `${this.path}/join`, { inviteCode: this.inviteCode }, { signal: this.signal });
    this.inviteCode = null;
    history.replaceState(null, "", `#/r/${this.roomId}`);
  }

  showFailure(error) {
    const again = h("button", { type: "button", class: "button", onclick: () => this.load() }, t("retry"));
    this.list.replaceChildren(h("li", { class: "quiet" }, h("p", null, errorText(error)), again));
  }

  showHead() {
    const characters = this.room.activeCharacters ?? [];
    const faces = characters.map((character) => {
      const known = { ...characterOf(character.characterId), ...character };
      const name = nameOf(known);
      return h("button", { type: "button", class: "face", title: t("mention", { name }), "aria-label": t("mention", { name }), onclick: () => this.mention(known) }, avatar(known, "small"), h("span", null, name));
    });
    this.onlineText = h("span", { class: "room-online" });
    const invite = this.mayInvite && h("button", { type: "button", class: "face face-invite", onclick: () => openInvitation(this.path) }, t("invite"));
    this.head.replaceChildren(
      h("div", { class: "chat-title" }, h("h1", null, this.room.name, this.onlineText), h("p", null, this.room.description ?? "")),
      h("div", { class: "faces", role: "group", "aria-label": t("whoSpeaks") }, ...faces, invite),
    );
    this.showOnline();
  }

  showOnline() {
    if (this.onlineText && this.online !== undefined) this.onlineText.textContent = t("online", { count: this.online });
  }

  // ---- what the log tells

  listener() {
    return {
      state: (state) => this.showLink(state),
      refused: (error) => this.showFailure(error),
      reload: () => this.loadNewest(),
      online: (count, ids) => {
        this.online = count;
        this.people = new Set(ids);
        this.showOnline();
      },
      event: (event) => this.happened(event),
      grew: (messageId, text) => this.grew(messageId, text),
      reread: () => this.loadNewest(),
      passing: (frame) => this.passed(frame),
    };
  }

  showLink(state) {
    const words = { connecting: t("linkConnecting"), waiting: t("linkWaiting"), on: "", off: "" };
    this.link.textContent = words[state] ?? "";
    this.link.hidden = !this.link.textContent;
    this.link.dataset.state = state;
    if (state === "on") this.resend();
  }

  async loadNewest() {
    try {
      const page = await call("GET", `${this.path}/messages?limit=${PAGE}`, undefined, { signal: this.signal });
      const unsent = [...this.views.values()].filter((view) => view.isUnsent);
      this.views.clear();
      this.list.replaceChildren();
      this.addOlder(page);
      for (const view of unsent) this.place(view.clientMsgId, view);
      if (page.messages.length === 0 && unsent.length === 0) this.list.append(h("li", { class: "quiet" }, t("roomEmpty")));
      for (const [id, stream] of this.log.streams) this.grew(id, stream.text);
      this.scrollDown();
      this.markRead();
    } catch (error) {
      if (!this.signal.aborted) this.showFailure(error);
    }
  }

  async loadOlder() {
    if (!this.cursor) return;
    const cursor = this.cursor;
    this.cursor = null;
    try {
      const page = await call("GET", `${this.path}/messages?before=${encodeURIComponent(cursor)}&limit=${PAGE}`, undefined, { signal: this.signal });
      const before = this.scroller.scrollHeight - this.scroller.scrollTop;
      this.addOlder(page);
      this.scroller.scrollTop = this.scroller.scrollHeight - before;
    } catch (error) {
      this.cursor = cursor;
      if (!this.signal.aborted) notice(errorText(error));
    }
  }

  addOlder({ messages, hasMore, nextCursor }) {
    const items = [];
    let previous = null;
    for (const message of messages) {
      if (this.views.has(message.messageId)) continue;
      if (!previous || !sameDay(previous, message.timestamp)) items.push(dayLine(message.timestamp));
      previous = message.timestamp;
      const view = this.newView(message);
      this.views.set(message.messageId, view);
      items.push(view.element);
    }
    this.list.prepend(...items);
    this.cursor = hasMore ? nextCursor : null;
    this.older.hidden = !this.cursor;
  }

  newView(message) {
    if (message.fromType === "system") return new HouseMessage(message);
    if (message.fromType !== "ai") return this.personView(message);
    const reply = new Reply({ ...message, createTime: message.timestamp }, { ...characterOf(message.aiInfo?.characterId), ...message.aiInfo });
    reply.onDrawn = () => this.keepDown();
    return reply;
  }

  personView(message) {
    const { messageId } = message;
    const userId = message.fromUser?.userId;
    return new PersonMessage(message, {
      isOwn: userId === this.me,
      onRecall: () => this.recall(messageId),
      onLike: () => this.like(messageId),
      onBlock: () => this.toggleBlocked(userId),
      onReport: () => openReport(messageId),
      isBlocked: () => isBlocked(userId),
    });
  }

  // What the server left out while somebody was blocked is read anew.
  async toggleBlocked(userId) {
    const blocks = !isBlocked(userId);
    try {
      await setBlocked(userId, blocks);
    } catch (error) {
      notice(errorText(error));
      return;
    }
    if (!blocks) await this.loadNewest();
    else for (const view of this.views.values()) if (view.message.fromUser?.userId === userId) view.update({});
  }

  place(id, view) {
    this.list.querySelector(".quiet")?.remove();
    this.views.set(id, view);
    this.list.append(view.element);
    this.keepDown();
  }

  happened(event) {
    if (event.event === "message") this.said(event.message);
    else if (event.event === "ai_start") this.began(event);
    else if (event.event === "ai_end") this.ended(event);
    else if (event.event === "recall") this.views.get(event.messageId)?.update({ status: "recalled", content: "" });
    else if (event.event === "like") this.views.get(event.messageId)?.liked?.(event.totalLikes);
    this.markRead();
  }

  said(message) {
    this.typists.delete(message.fromUser?.userId);
    this.showTyping();
    const mine = this.views.get(message.clientMsgId);
    if (mine) {
      this.views.delete(message.clientMsgId);
      mine.element.remove();
    }
    if (this.views.has(message.messageId)) return;
    this.place(message.messageId, this.newView(message));
  }

  began(event) {
    const message = { messageId: event.messageId, fromType: "ai", aiInfo: event.aiInfo ?? { characterId: event.characterId }, status: "streaming", content: "", timestamp: event.timestamp ?? Date.now(), aigc: event.aigc };
    if (!this.views.has(event.messageId)) this.place(event.messageId, this.newView(message));
    announce(t("answering", { name: nameOf(this.views.get(event.messageId).character) }));
    this.showButton();
  }

  grew(messageId, text) {
    const view = this.views.get(messageId);
    if (view?.isGrowing) view.setText(text);
  }

  ended(event) {
    const { messageId, text, usage, citations, aigc } = event;
    const status = event.status ?? { done: "done", length: "done", stopped: "stopped", blocked: "blocked" }[event.why] ?? "failed";
    const view = this.views.get(messageId);
    if (!view || view.message.status === "recalled") return;
    view.update({ status, content: text ?? view.content, usage, citations, aigc: aigc ?? view.message.aigc });
    if (usage) tell("charged");
    this.showButton();
    this.keepDown();
  }

  passed(frame) {
    if (frame.op === "room.typing") {
      if (isBlocked(frame.userId)) return;
      this.typists.set(frame.userId, Date.now());
      this.showTyping();
    } else if (frame.op === "room.presence") {
      this.online = frame.online ?? frame.count ?? this.online;
      this.showOnline();
    } else if (frame.event === "error") {
      notice(frame.detail ?? frame.error);
    }
  }

  showTyping() {
    for (const [user, at] of this.typists) if (Date.now() - at > TYPING_FADES_MS) this.typists.delete(user);
    this.typing.textContent = this.typists.size > 0 ? t("typing", { count: this.typists.size }) : "";
  }

  markRead() {
    if (document.visibilityState === "visible" && this.log.seq) socket.tell("room.read", { roomId: this.roomId, seq: this.log.seq });
  }

  // ---- scrolling

  noteScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.atBottom = scrollHeight - scrollTop - clientHeight < 60;
    this.toBottom.hidden = this.atBottom;
    if (scrollTop < 120) this.loadOlder();
  }

  keepDown() {
    if (this.atBottom) this.scrollDown();
  }

  scrollDown() {
    this.atBottom = true;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: "instant" });
  }

  // ---- writing

  composer() {
    this.input = h("textarea", { class: "input", rows: 1, enterkeyhint: "send", disabled: true, placeholder: t("say"), "aria-label": t("say") });
    this.input.value = drafts.get(this.roomId) ?? "";
    this.input.addEventListener("input", () => this.wrote());
    this.input.addEventListener("keydown", (event) => this.pressed(event));
    this.button = h("button", { type: "submit", class: "send", disabled: true });
    const form = h("form", { class: "composer", autocomplete: "off" }, h("div", { class: "column composer-row" }, this.input, this.button));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.input.value.trim()) this.submit();
      else this.stop();
    });
    this.showButton();
    return form;
  }

  setEnabled(enabled) {
    this.input.disabled = !enabled;
    this.showButton();
  }

  pressed(event) {
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || composing || !matchMedia("(pointer: fine)").matches) return;
    event.preventDefault();
    this.submit();
  }

  wrote() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 200)}px`;
    this.showButton();
    const now = Date.now();
    if (now - (this.typedAt ?? 0) < TYPING_EVERY_MS) return;
    this.typedAt = now;
    socket.tell("room.typing", { roomId: this.roomId });
  }

  // With nothing written, the button stops the reply that is growing.
  get growing() {
    return [...this.views.values()].find((view) => view.isGrowing);
  }

  showButton() {
    const length = [...this.input.value.trim()].length;
    const stopping = length === 0 && Boolean(this.growing);
    this.button.replaceChildren(icon(stopping ? "stop" : "send"));
    this.button.setAttribute("aria-label", t(stopping ? "stop" : "send"));
    this.button.classList.toggle("stopping", stopping);
    this.button.disabled = this.input.disabled || (!stopping && (length === 0 || length > LENGTH_MAX));
  }

  mention(character) {
    const gap = this.input.value && !/\s$/.test(this.input.value) ? " " : "";
    this.input.value += `${gap}@${character.name} `;
    this.input.focus();
    this.wrote();
  }

  submit() {
    const content = this.input.value.trim();
    if (!content || [...content].length > LENGTH_MAX) return;
    this.input.value = "";
    this.typedAt = 0;
    this.wrote();
    const clientMsgId = randomId();
    const message = { clientMsgId, content, fromType: "user", fromUser: { userId: this.me }, timestamp: Date.now() };
    const view = new PersonMessage(message, { isOwn: true });
    view.clientMsgId = clientMsgId;
    view.isUnsent = true;
    this.place(clientMsgId, view);
    this.scrollDown();
    this.send(view, content);
  }

  // The same number every time: however often it is sent, it is in the room once.
  async send(view, content) {
    view.isSending = true;
    try {
      const ack = await socket.ask("room.send", { roomId: this.roomId, clientMsgId: view.clientMsgId, content });
      view.isUnsent = false;
      view.showTime(ack.timestamp);
    } catch (error) {
      if (error.slug === "network") view.showNote(t("willSend"));
      else {
        view.isUnsent = false;
        view.showNote(`${t("notSent")} · ${error.message}`, t("retry"), () => this.send(view, content));
      }
    } finally {
      view.isSending = false;
    }
  }

  resend() {
    for (const view of this.views.values()) {
      if (view.isUnsent && !view.isSending) this.send(view, view.message.content);
    }
  }

  async stop() {
    const view = this.growing;
    if (!view) return;
    try {
      await call("POST", `/api/messages/${view.message.messageId}/stop`);
    } catch (error) {
      notice(errorText(error));
    }
  }

  async recall(messageId) {
    try {
      await socket.ask("room.recall", { roomId: this.roomId, messageId });
    } catch (error) {
      notice(error.message);
    }
  }

  async like(messageId) {
    const view = this.views.get(messageId);
    if (!view || !isSignedIn()) return;
    try {
      await socket.ask("room.like", { roomId: this.roomId, messageId, liked: !view.message.isLikedByMe });
      view.message.isLikedByMe = !view.message.isLikedByMe;
      view.showLikes();
    } catch (error) {
      notice(error.message);
    }
  }
}

function dayLine(millis) {
  const line = h("li", { class: "day" }, h("span", { title: clockTime(millis) }, dayText(millis)));
  line.millis = millis;
  return line;
}
