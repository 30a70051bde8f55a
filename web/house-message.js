// What the house announces in a room: nobody's message, in the middle of the others.

import { h } from "./dom.js";
import { fullTime } from "./format.js";
import { t } from "./i18n.js";

export class HouseMessage {
  constructor(message) {
    this.text = h("p", { class: "text" });
    this.element = h("li", { class: "message message-house" }, h("p", { class: "name" }, t("house")), this.text);
    this.update(message);
  }

  get isGrowing() {
    return false;
  }

  update(message) {
    this.message = { ...this.message, ...message };
    this.text.textContent = this.message.status === "recalled" ? t("recalled") : this.message.content;
    this.text.title = fullTime(this.message.timestamp);
  }
}
