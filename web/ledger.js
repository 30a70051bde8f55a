// The balance in the head of the page, and the drawer with the statement.

import { call, errorText } from "./client.js";
import { h, icon, openDialog } from "./dom.js";
import { count, fullTime, yuan } from "./format.js";
import { t } from "./i18n.js";
import { bus } from "./state.js";

const PAGE = 20;
const TYPES = new Set(["recharge", "consume", "hold", "refund", "grant", "adjust"]);

export class Balance {
  constructor() {
    this.amount = h("span", { class: "balance-amount" }, "¥–");
    this.element = h("button", { type: "button", class: "balance", onclick: openStatement }, h("span", { class: "balance-word" }, t("balanceWord")), this.amount);
    this.refresh = () => this.load();
    bus.addEventListener("charged", this.refresh);
    document.addEventListener("visibilitychange", this.refresh);
    this.load();
  }

  destroy() {
    bus.removeEventListener("charged", this.refresh);
    document.removeEventListener("visibilitychange", this.refresh);
  }

  async load() {
    if (document.hidden) return;
    try {
      this.show(await call("GET", "/api/user/balance"));
    } catch {
      // The last known balance stays; whoever acts on it hears of the failure.
    }
  }

  show({ available, held }) {
    const text = yuan(available);
    const label = t("balance", { yuan: text, credits: count(available) });
    this.element.title = held > 0 ? `${count(available)} · ${t("held", { yuan: yuan(held) })}` : `${label}`;
    this.element.setAttribute("aria-label", label);
    if (this.available !== undefined && this.available !== available) this.mark(available < this.available);
    this.available = available;
    this.amount.textContent = text;
  }

  mark(fell) {
    const kind = fell ? "fell" : "rose";
    this.element.classList.remove("fell", "rose");
    // The animation starts anew once the class was seen to be gone.
    requestAnimationFrame(() => requestAnimationFrame(() => this.element.classList.add(kind)));
  }
}

function openStatement() {
  const list = h("ul", { class: "entries" });
  const more = h("button", { type: "button", class: "older", hidden: true }, t("more"));
  const status = h("p", { class: "quiet", role: "status" }, t("loading"));
  let page = 0;
  const load = async () => {
    more.hidden = true;
    try {
      const data = await call("GET", `/api/billing/transactions?page=${page + 1}&pageSize=${PAGE}`);
      page += 1;
      list.append(...data.transactions.map(entry));
      status.textContent = list.childElementCount === 0 ? t("noEntries") : "";
      more.hidden = !data.pagination?.hasMore;
    } catch (error) {
      status.textContent = errorText(error);
      more.hidden = false;
    }
  };
  more.addEventListener("click", load);
  openDialog({
    label: t("ledger"),
    kind: "drawer",
    content: (close) => [
      h(
        "header",
        { class: "drawer-head" },
        h("h2", null, t("ledger"), h("small", null, t("ledgerHint"))),
        h("button", { type: "button", class: "icon-button", "aria-label": t("close"), onclick: close }, icon("close")),
      ),
      h("div", { class: "drawer-body", tabindex: "0" }, list, status, more),
    ],
  });
  load();
}

function entry({ type, amount, balanceAfter, createTime }) {
  return h(
    "li",
    { class: "entry" },
    h(
      "span",
      { class: "entry-lines" },
      h("span", null, TYPES.has(type) ? t(`type_${type}`) : type),
      h("time", { datetime: new Date(createTime).toISOString() }, fullTime(createTime)),
    ),
    h(
      "span",
      { class: "entry-money", title: t("billCredits", { credits: count(amount) }) },
      h("span", { class: amount < 0 ? "money-out" : "money-in" }, yuan(amount, { signed: true })),
      h("small", null, t("after", { yuan: yuan(balanceAfter) })),
    ),
  );
}
