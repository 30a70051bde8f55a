// One message on the page: its text, its sources that unfold, what it cost, and how it ended.

import { avatar, h, icon, notice } from "./dom.js";
import { clockTime, count, fullTime, yuan } from "./format.js";
import { nameOf, t } from "./i18n.js";
import { renderText } from "./text.js";

let nextId = 0;

function placeOf(citation) {
  return citation.chapter ? `${citation.work}·${citation.chapter}` : citation.work;
}

export class UserMessage {
  constructor(message) {
    this.note = h("p", { class: "note", hidden: true });
    this.text = h("p", { class: "text" }, message.content);
    this.time = h("time", { class: "sr-only" });
    this.element = h(
      "li",
      { class: "message message-user" },
      h("span", { class: "sr-only" }, t("you")),
      this.text,
      this.note,
      this.time,
    );
    this.showTime(message.createTime);
  }

  showTime(millis) {
    this.time.dateTime = new Date(millis).toISOString();
    this.time.textContent = clockTime(millis);
    this.text.title = fullTime(millis);
  }

  failed(text, retry) {
    const button = h("button", { type: "button", class: "link", onclick: retry }, t("retry"));
    this.note.replaceChildren(`${t("notSent")} · ${text} `, button);
    this.note.hidden = false;
  }

  sent() {
    this.note.hidden = true;
  }
}

export class Reply {
  constructor(message, character, { onAskAgain } = {}) {
    this.character = character;
    this.onAskAgain = onAskAgain;
    this.content = "";
    this.body = h("div", { class: "text" });
    this.waiting = h("p", { class: "waiting" }, t("thinking", { name: nameOf(character) }), dots());
    this.note = h("p", { class: "note", hidden: true });
    this.sources = h("div", { class: "sources", hidden: true });
    this.foot = h("footer", { class: "foot" });
    this.element = h(
      "li",
      { class: "message message-reply" },
      avatar(character, "small"),
      h(
        "div",
        { class: "main" },
        h("p", { class: "name" }, nameOf(character)),
        this.waiting,
        this.body,
        this.note,
        this.sources,
        this.foot,
      ),
    );
    this.citations = new Map();
    this.update(message);
  }

  // Takes the message as the server has it now.
  update(message) {
    this.message = { ...this.message, ...message };
    this.showCitations(message.citations ?? []);
    this.setText(message.content ?? "");
    this.showEnd();
    this.showFoot();
  }

  get isGrowing() {
    return this.message.status === "streaming";
  }

  setText(text) {
    this.content = text;
    this.scheduled ??= requestAnimationFrame(() => this.draw());
    if (!this.isGrowing) this.draw();
  }

  draw() {
    cancelAnimationFrame(this.scheduled);
    this.scheduled = undefined;
    renderText(this.body, this.content, (n, source) => this.marker(n, source));
    this.waiting.hidden = !(this.isGrowing && this.content === "");
    this.element.classList.toggle("growing", this.isGrowing && this.content !== "");
    this.onDrawn?.();
  }

  marker(n, source) {
    if (!this.citations.has(n)) return h("sup", { class: "marker" }, source);
    const { citation } = this.citations.get(n);
    const label = t("source", { n, place: placeOf(citation) });
    const press = () => this.toggleSource(n, true);
    return h("button", { type: "button", class: "marker", "aria-label": label, title: placeOf(citation), onclick: press }, String(n));
  }

  showCitations(citations) {
    if (citations.length === 0 && this.citations.size === 0) return;
    this.citations.clear();
    const chips = h("div", { class: "chips", role: "group", "aria-label": t("sources") });
    const passages = h("div", { class: "passages" });
    for (const citation of citations) {
      const { chip, passage } = this.source(citation);
      this.citations.set(citation.n, { citation, chip, passage });
      chips.append(chip);
      passages.append(passage);
    }
    this.sources.replaceChildren(chips, passages);
    this.sources.hidden = citations.length === 0;
    // Markers that were plain text may be buttons now.
    this.body.replaceChildren();
    this.draw();
  }

  source(citation) {
    nextId += 1;
    const id = `passage-${nextId}`;
    const chip = h(
      "button",
      { type: "button", class: "chip", "aria-expanded": "false", "aria-controls": id, onclick: () => this.toggleSource(citation.n) },
      h("span", { class: "chip-number" }, String(citation.n)),
      placeOf(citation),
    );
    const passage = h(
      "figure",
      { class: "passage", id, hidden: true },
      h("blockquote", { lang: "zh-CN" }, ...String(citation.quote ?? "").split("\n").map((line) => h("p", null, line))),
      h("figcaption", null, `[${citation.n}] ${placeOf(citation)}`),
    );
    return { chip, passage };
  }

  toggleSource(n, reveal = false) {
    const entry = this.citations.get(n);
    if (!entry) return;
    const open = entry.passage.hidden;
    entry.passage.hidden = !open;
    entry.chip.setAttribute("aria-expanded", String(open));
    if (open && reveal) entry.passage.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  showEnd() {
    const { status } = this.message;
    if (status === "failed") this.showNote(this.failure ?? t("failed"), t("askAgain"), this.onAskAgain);
    else if (status === "stopped") this.showNote(t("stopped"));
    else if (status === "blocked") this.showNote(t("blocked"));
    else if (status === "recalled") this.showNote(t("recalled"));
    else this.note.hidden = true;
    this.element.classList.toggle("ended-badly", status === "failed" || status === "blocked");
  }

  showNote(text, action, run) {
    const button = action && run && h("button", { type: "button", class: "link", onclick: run }, action);
    this.note.replaceChildren(text, ...(button ? [" ", button] : []));
    this.note.hidden = false;
  }

  showFoot() {
    const { message } = this;
    const parts = [h("span", { class: "aigc" }, message.aigc?.text || t("aigc"))];
    if (!this.isGrowing) {
      parts.push(h("time", { datetime: new Date(message.createTime).toISOString(), title: fullTime(message.createTime) }, clockTime(message.createTime)));
    }
    if (message.usage) parts.push(...bill(message.usage));
    if (!this.isGrowing && this.content && navigator.clipboard) {
      parts.push(h("button", { type: "button", class: "foot-button", title: t("copy"), "aria-label": t("copy"), onclick: () => this.copy() }, icon("copy")));
    }
    this.foot.replaceChildren(...parts);
  }

  // The label goes with the text wherever it is pasted.
  async copy() {
    const label = this.message.aigc?.text || t("aigc");
    await navigator.clipboard.writeText(`${this.content}\n（${label}）`);
    notice(t("copied"), "calm");
  }
}

function bill(usage) {
  nextId += 1;
  const id = `bill-${nextId}`;
  const words = t("billDetail", {
    credits: count(usage.credits),
    prompt: count(usage.promptTokens),
    cached: count(usage.cachedTokens),
    completion: count(usage.completionTokens),
  });
  const detail = h("span", { class: "bill-detail", id, hidden: true }, words);
  const button = h(
    "button",
    { type: "button", class: "foot-button bill", title: words, "aria-label": `${t("bill")} ${yuan(usage.credits)}`, "aria-expanded": "false", "aria-controls": id },
    yuan(usage.credits),
  );
  button.addEventListener("click", () => {
    detail.hidden = !detail.hidden;
    detail.scrollIntoView({ block: "nearest" });
    button.setAttribute("aria-expanded", String(!detail.hidden));
  });
  return [button, detail];
}

function dots() {
  return h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
}
