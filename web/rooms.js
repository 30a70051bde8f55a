// The rooms on the front page: who meets where, and a room of one's own.

import { call, errorText, randomId } from "./client.js";
import { avatar, h, notice, openDialog } from "./dom.js";
import { t } from "./i18n.js";
import { characterOf, loadCharacters } from "./state.js";

const CHARACTERS_MAX = 5;

export class RoomsSection {
  constructor() {
    this.list = h("ul", { class: "cards cards-rooms" }, h("li", { class: "quiet" }, t("loading")));
    this.element = h(
      "section",
      { class: "group", "aria-labelledby": "group-rooms" },
      h("h2", { id: "group-rooms" }, t("rooms"), h("small", null, t("roomsHint"))),
      this.list,
      h("button", { type: "button", class: "button", onclick: () => newRoom() }, t("newRoom")),
    );
    this.load();
  }

  async load() {
    try {
      const { rooms } = await call("GET", "/api/rooms?page=1&pageSize=30&sort=popularity");
      this.list.replaceChildren(...rooms.map((room) => h("li", null, roomCard(room))));
    } catch (error) {
      this.list.replaceChildren(h("li", { class: "quiet" }, errorText(error)));
    }
  }
}

function roomCard(room) {
  const faces = (room.activeCharacters ?? []).slice(0, CHARACTERS_MAX).map((character) => avatar({ ...characterOf(character.characterId), ...character }, "small"));
  const unread = room.unreadCount > 0 ? h("span", { class: "tag unread" }, String(room.unreadCount)) : null;
  return h(
    "a",
    { class: "card card-room", href: `#/r/${encodeURIComponent(room.roomId)}` },
    h("span", { class: "faces" }, ...faces),
    h("strong", { class: "card-name" }, room.name, unread),
    h("span", { class: "card-text" }, room.description ?? ""),
  );
}

function newRoom() {
  const content = (close) => [roomForm(close)];
  openDialog({ label: t("newRoom"), kind: "small", content });
}

function roomForm(close) {
  const key = randomId();
  const name = h("input", { class: "field-input", id: "room-name", maxlength: 50, required: true, autofocus: true });
  const choices = h("div", { class: "choices" });
  loadCharacters().then((characters) => choices.replaceChildren(...characters.map(choice)), () => {});
  const form = h(
    "form",
    { class: "manage" },
    h("h2", null, t("newRoom")),
    h("label", { for: "room-name" }, t("roomName")),
    name,
    h("p", null, t("whoSpeaks")),
    choices,
    h(
      "div",
      { class: "buttons" },
      h("span", { class: "spacer" }),
      h("button", { type: "button", class: "button", onclick: close }, t("cancel")),
      h("button", { type: "submit", class: "button button-strong" }, t("make")),
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const characterIds = [...form.querySelectorAll("input:checked")].map((box) => box.value);
    try {
      const { room } = await call("POST", "/api/rooms", { name: name.value.trim(), characterIds }, { key });
      close();
      location.hash = `#/r/${encodeURIComponent(room.roomId)}`;
    } catch (error) {
      notice(errorText(error));
    }
  });
  return form;
}

function choice(character) {
  const box = h("input", { type: "checkbox", value: character.characterId });
  return h("label", { class: "choice" }, box, avatar(character, "small"), character.name);
}
