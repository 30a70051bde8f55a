// The list of conversations: open one, give it a title, delete it.

import { call, errorText } from "./client.js";
import { avatar, h, icon, notice, openDialog } from "./dom.js";
import { shortTime } from "./format.js";
import { nameOf, t } from "./i18n.js";
import { bus, characterOf, tell } from "./state.js";

const PAGE = 30;

export class Sidebar {
  constructor() {
    this.sessions = [];
    this.page = 1;
    this.current = null;
    this.list = h("ul", { class: "sessions" });
    this.more = h("button", { type: "button", class: "older", hidden: true, onclick: () => this.loadMore() }, t("moreTalks"));
    this.element = h(
      "nav",
      { class: "sidebar-body", "aria-label": t("talks") },
      h("a", { class: "button new-talk", href: "#/" }, icon("plus"), t("newTalk")),
      h("div", { class: "session-scroller" }, this.list, this.more),
    );
    this.reload = () => this.load();
    bus.addEventListener("talked", this.reload);
    this.load();
  }

  destroy() {
    bus.removeEventListener("talked", this.reload);
  }

  async load() {
    try {
      const data = await call("GET", `/api/sessions?page=1&pageSize=${PAGE}`);
      this.page = 1;
      this.sessions = data.sessions;
      this.hasMore = data.pagination?.hasMore;
      this.draw();
      // The first question gives a conversation its title.
      const open = this.sessions.find((session) => session.sessionId === this.current);
      if (open) tell("renamed", { sessionId: open.sessionId, title: open.title });
    } catch (error) {
      if (this.sessions.length === 0) this.list.replaceChildren(h("li", { class: "quiet" }, errorText(error)));
    }
  }

  async loadMore() {
    try {
      const data = await call("GET", `/api/sessions?page=${this.page + 1}&pageSize=${PAGE}`);
      this.page += 1;
      const known = new Set(this.sessions.map((session) => session.sessionId));
      this.sessions.push(...data.sessions.filter((session) => !known.has(session.sessionId)));
      this.hasMore = data.pagination?.hasMore;
      this.draw();
    } catch (error) {
      notice(errorText(error));
    }
  }

  select(sessionId) {
    this.current = sessionId;
    this.draw();
  }

  draw() {
    const empty = this.sessions.length === 0;
    this.list.replaceChildren(...(empty ? [h("li", { class: "quiet" }, t("noTalks"))] : this.sessions.map((session) => this.row(session))));
    this.more.hidden = !this.hasMore;
  }

  row(session) {
    const character = characterOf(session.characterId);
    const title = session.title || nameOf(character);
    const current = session.sessionId === this.current;
    return h(
      "li",
      { class: current ? "session session-current" : "session" },
      h(
        "a",
        { href: `#/s/${encodeURIComponent(session.sessionId)}`, "aria-current": current ? "page" : null },
        avatar(character, "small"),
        h(
          "span",
          { class: "session-lines" },
          h("span", { class: "session-title" }, title),
          h("span", { class: "session-last" }, session.lastMessage?.content || nameOf(character)),
        ),
        h("time", { datetime: new Date(session.lastActiveTime).toISOString() }, shortTime(session.lastActiveTime)),
      ),
      h("button", { type: "button", class: "icon-button session-more", "aria-label": t("manage", { title }), onclick: () => this.manage(session) }, icon("more")),
    );
  }

  manage(session) {
    openDialog({
      label: t("manageTitle"),
      kind: "small",
      content: (close) => [this.manageForm(session, close)],
    });
  }

  manageForm(session, close) {
    const input = h("input", { class: "field-input", maxlength: 100, id: "session-title", autofocus: true });
    input.value = session.title ?? "";
    const remove = h("button", { type: "button", class: "button button-danger" }, t("remove"));
    const warning = h("p", { class: "warning", role: "status" });
    remove.addEventListener("click", () => {
      if (warning.textContent) this.remove(session, close);
      else {
        warning.textContent = t("removeSure");
        remove.textContent = t("removeYes");
      }
    });
    const form = h(
      "form",
      { class: "manage" },
      h("h2", null, t("manageTitle")),
      h("label", { for: "session-title" }, t("title")),
      input,
      warning,
      h(
        "div",
        { class: "buttons" },
        remove,
        h("span", { class: "spacer" }),
        h("button", { type: "button", class: "button", onclick: close }, t("cancel")),
        h("button", { type: "submit", class: "button button-strong" }, t("save")),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.rename(session, input.value.trim(), close);
    });
    return form;
  }

  async rename(session, title, close) {
    if (!title || title === session.title) return close();
    try {
      await call("PATCH", `/api/sessions/${encodeURIComponent(session.sessionId)}`, { title });
      close();
      tell("renamed", { sessionId: session.sessionId, title });
      await this.load();
    } catch (error) {
      notice(errorText(error));
    }
    return undefined;
  }

  async remove(session, close) {
    try {
      await call("DELETE", `/api/sessions/${encodeURIComponent(session.sessionId)}`);
      close();
      notice(t("removed"), "calm");
      if (session.sessionId === this.current) location.hash = "#/";
      await this.load();
    } catch (error) {
      notice(errorText(error));
    }
  }
}
