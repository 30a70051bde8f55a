// What a person said in a room: one's own on the right, others' on the left with their name.

import { avatar, h } from "./dom.js";
import { clockTime, fullTime } from "./format.js";
import { t } from "./i18n.js";

const RECALL_MS = 120000;

export class PersonMessage {
  constructor(message, { isOwn, onRecall, onLike, onBlock, onReport, isBlocked }) {
    this.isOwn = isOwn;
    this.onBlock = onBlock;
    this.onReport = onReport;
    this.isBlocked = isBlocked;
    this.onRecall = onRecall;
    this.onLike = onLike;
    this.text = h("p", { class: "text" });
    this.note = h("p", { class: "note", hidden: true });
    this.time = h("time", { class: "person-time" });
    this.actions = h("footer", { class: "foot person-foot" });
    const name = isOwn ? h("span", { class: "sr-only" }, t("you")) : h("p", { class: "name" }, message.fromUser?.nickName || t("somebody"));
    const body = h("div", { class: "main" }, name, this.text, this.note, this.actions);
    const face = isOwn ? null : avatar({ avatar: message.fromUser?.avatarUrl }, "small");
    this.element = h("li", { class: isOwn ? "message message-user message-own" : "message message-other" }, face, body);
    this.update(message);
  }

  get isGrowing() {
    return false;
  }

  get isRecalled() {
    return this.message.status === "recalled";
  }

  // By the server, which left the words out, or by the list that this page has.
  get isHidden() {
    return Boolean(this.message.hidden || this.isBlocked?.());
  }

  update(message) {
    this.message = { ...this.message, ...message };
    const { isRecalled, isHidden } = this;
    this.text.textContent = isRecalled || isHidden ? "" : this.message.content;
    this.text.hidden = isRecalled || isHidden;
    if (isRecalled) this.showNote(t("recalled"));
    else if (isHidden) this.showNote(t("fromBlocked"), this.isBlocked?.() && t("unblock"), this.onBlock);
    this.showTime(this.message.timestamp);
    this.showLikes();
  }

  showTime(millis) {
    this.note.hidden = !(this.isRecalled || this.isHidden);
    this.time.dateTime = new Date(millis).toISOString();
    this.time.textContent = clockTime(millis);
    this.text.title = fullTime(millis);
  }

  liked(total) {
    this.message.totalLikes = total;
    this.showLikes();
  }

  showLikes() {
    const { totalLikes, isLikedByMe, timestamp } = this.message;
    const parts = [this.time];
    const isShown = !this.isRecalled && !this.isHidden;
    if (this.onLike && isShown) {
      const label = t("like", { count: totalLikes ?? 0 });
      parts.push(h("button", { type: "button", class: "foot-button", "aria-pressed": String(Boolean(isLikedByMe)), "aria-label": label, onclick: this.onLike }, `${isLikedByMe ? "♥" : "♡"} ${totalLikes || ""}`));
    }
    if (this.isOwn && this.onRecall && !this.isRecalled && Date.now() - timestamp < RECALL_MS) {
      parts.push(h("button", { type: "button", class: "foot-button", onclick: this.onRecall }, t("recall")));
    }
    if (!this.isOwn && isShown && this.onBlock) {
      parts.push(h("button", { type: "button", class: "foot-button", onclick: this.onBlock }, t("block")));
      parts.push(h("button", { type: "button", class: "foot-button", onclick: this.onReport }, t("report")));
    }
    this.actions.replaceChildren(...parts);
  }

  showNote(text, action, run) {
    const button = action && run && h("button", { type: "button", class: "link", onclick: run }, action);
    this.note.replaceChildren(text, ...(button ? [" ", button] : []));
    this.note.hidden = false;
  }
}
