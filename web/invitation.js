// The link that lets others into a room of one's own, and another one in its place.

import { call, errorText } from "./client.js";
import { h, notice, openDialog } from "./dom.js";
import { t } from "./i18n.js";

export async function openInvitation(path) {
  try {
    const now = await call("GET", `${path}/invite`);
    const { link } = now.link ? now : await call("POST", `${path}/invite`, {});
    openDialog({ label: t("invite"), kind: "small", content: (close) => [invitation(path, link, close)] });
  } catch (error) {
    notice(errorText(error));
  }
}

function invitation(path, link, close) {
  const field = h("input", { class: "field-input", id: "invite-link", readonly: true, onfocus: () => field.select() });
  const show = (address) => {
    field.value = new URL(address, location.origin).href;
  };
  show(link);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      notice(t("copied"), "calm");
    } catch {
      field.select();
    }
  };
  const replace = async () => {
    try {
      show((await call("POST", `${path}/invite`, {})).link);
    } catch (error) {
      notice(errorText(error));
    }
  };
  return h(
    "div",
    { class: "manage" },
    h("h2", null, t("invite")),
    h("label", { for: "invite-link" }, t("inviteHint")),
    field,
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", class: "button", onclick: replace }, t("inviteAnew")),
      h("span", { class: "spacer" }),
      h("button", { type: "button", class: "button", onclick: close }, t("close")),
      h("button", { type: "button", class: "button button-strong", onclick: copy }, t("copy")),
    ),
  );
}
