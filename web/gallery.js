// The page of all characters: the masters first, then the sixteen.

import { call, errorText } from "./client.js";
import { avatar, h, notice, openDialog } from "./dom.js";
import { nameOf, t } from "./i18n.js";
import { RoomsSection } from "./rooms.js";
import { isMaster, loadCharacters, tell } from "./state.js";

function works(character) {
  const titles = (character.works ?? []).map((work) => h("span", { class: "work" }, `《${work}》`));
  return h("span", { class: "works", lang: "zh-CN" }, ...titles);
}

export class Gallery {
  constructor() {
    this.body = h("div", { class: "gallery-body" }, h("p", { class: "quiet" }, t("loading")));
    this.element = h("section", { class: "gallery scroller" }, h("div", { class: "wide" }, h("h1", null, t("choose")), this.body));
    this.load();
  }

  destroy() {}

  async load() {
    try {
      this.show(await loadCharacters());
    } catch (error) {
      const again = h("button", { type: "button", class: "button", onclick: () => this.load() }, t("retry"));
      this.body.replaceChildren(h("p", { class: "quiet" }, errorText(error)), again);
    }
  }

  show(characters) {
    const masters = characters.filter(isMaster);
    const companions = characters.filter((character) => !isMaster(character));
    this.body.replaceChildren(
      new RoomsSection().element,
      group(t("masters"), t("mastersHint"), "masters", masters.map(masterCard)),
      group(t("companions"), t("companionsHint"), "companions", companions.map(companionCard)),
    );
  }
}

function group(title, hint, kind, cards) {
  const id = `group-${kind}`;
  return h(
    "section",
    { class: "group", "aria-labelledby": id },
    h("h2", { id }, title, h("small", null, hint)),
    h("ul", { class: `cards cards-${kind}` }, ...cards.map((card) => h("li", null, card))),
  );
}

function masterCard(character) {
  return h(
    "button",
    { type: "button", class: "card card-master", onclick: () => introduce(character) },
    avatar(character, "large"),
    h("strong", { class: "card-name" }, nameOf(character)),
    works(character),
    h("span", { class: "card-text", lang: "zh-CN" }, character.background ?? ""),
  );
}

function companionCard(character) {
  return h(
    "button",
    { type: "button", class: "card card-companion", onclick: () => introduce(character) },
    avatar(character, "medium"),
    h(
      "span",
      { class: "card-lines" },
      h("strong", { class: "card-name" }, nameOf(character), h("span", { class: "tag" }, character.dimension)),
      h("span", { class: "card-text", lang: "zh-CN" }, character.background ?? ""),
    ),
  );
}

function introduce(character) {
  const personality = character.personality ?? {};
  const content = (close) => {
    const start = h("button", { type: "button", class: "button button-strong", autofocus: true }, t("start"));
    start.addEventListener("click", () => begin(character, start, close));
    return [
      h("button", { type: "button", class: "icon-button dialog-close", "aria-label": t("close"), onclick: close }, "×"),
      h(
        "div",
        { class: "intro" },
        avatar(character, "large"),
        h("h2", null, nameOf(character), h("span", { class: "tag" }, character.dimension)),
        h("p", { class: "role", lang: "zh-CN" }, character.title ?? ""),
        h("p", { class: "traits", lang: "zh-CN" }, (personality.traits ?? []).join("　")),
        isMaster(character) && works(character),
        h("div", { class: "story", lang: "zh-CN" }, ...(character.backgroundStory ?? "").split("\n").map((line) => h("p", null, line))),
        h(
          "dl",
          { lang: "zh-CN" },
          personality.catchphrase && [h("dt", null, t("catchphrase")), h("dd", null, personality.catchphrase)],
          personality.quirks?.length > 0 && [h("dt", null, t("quirks")), h("dd", null, personality.quirks.join("；"))],
        ),
      ),
      h("div", { class: "intro-foot" }, start),
    ];
  };
  openDialog({ label: nameOf(character), kind: "intro", content });
}

async function begin(character, button, close) {
  button.disabled = true;
  try {
    const { session } = await call("POST", "/api/sessions", { characterId: character.characterId });
    close();
    tell("talked", session.sessionId);
    location.hash = `#/s/${encodeURIComponent(session.sessionId)}`;
  } catch (error) {
    notice(errorText(error));
    button.disabled = false;
  }
}
