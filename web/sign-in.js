// The page for people who are not signed in: by email, or at once where the server takes development sign-ins.

import { ApiError, call, errorText, randomId, takeTokens } from "./client.js";
import { h } from "./dom.js";
import { t, toggleLanguage } from "./i18n.js";

const TRY_CODE = "jixia.tryCode";
const TRY_REFUSED = "jixia.tryRefused";

function recall(key, storage) {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}

function remember(key, value, storage) {
  try {
    window[storage].setItem(key, value);
  } catch {
    // Without storage it is asked for again next time.
  }
}

export class SignIn {
  constructor({ message, onSignedIn, onLanguage }) {
    this.onSignedIn = onSignedIn;
    this.mode = "email-login";
    this.status = h("p", { class: "form-status", role: "alert" }, message ?? "");
    this.form = h("form", { class: "sign-form", novalidate: true });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.trial = h("div", { class: "trial" });
    const language = h("button", { type: "button", class: "link", onclick: () => { toggleLanguage(); onLanguage(); } }, t("otherLanguage"));
    this.element = h(
      "main",
      { class: "sign-in" },
      h(
        "div",
        { class: "sign-title" },
        h("img", { src: "/favicon.svg", alt: "", width: 56, height: 56 }),
        h("h1", null, t("brand")),
        h("p", { class: "motto" }, t("motto")),
        h("p", { class: "about" }, t("about")),
      ),
      h("div", { class: "sign-card" }, this.tabs(), this.form, this.trial),
      h("footer", { class: "sign-foot" }, language, h("a", { class: "link", href: "/docs/" }, t("apiDocs"))),
    );
    this.drawForm();
    this.drawTrial();
  }

  destroy() {}

  tabs() {
    const tab = (mode, label) => {
      const button = h("button", { type: "button", class: "tab", "aria-pressed": String(mode === this.mode) }, label);
      button.addEventListener("click", () => {
        this.mode = mode;
        for (const other of this.tabRow.children) other.setAttribute("aria-pressed", String(other === button));
        this.drawForm();
      });
      return button;
    };
    this.tabRow = h("div", { class: "tabs", role: "group" }, tab("email-login", t("signIn")), tab("register", t("register")));
    return this.tabRow;
  }

  drawForm() {
    const registering = this.mode === "register";
    const email = this.inputs?.email.value ?? "";
    this.inputs = {
      email: h("input", { type: "email", autocomplete: "username", inputmode: "email", required: true, maxlength: 254 }),
      password: h("input", { type: "password", autocomplete: registering ? "new-password" : "current-password", required: true }),
    };
    this.inputs.email.value = email;
    const fields = [field("email", t("email"), this.inputs.email), field("password", t("password"), this.inputs.password, registering && t("passwordHint"))];
    if (registering) {
      this.inputs.nickName = h("input", { type: "text", autocomplete: "nickname", maxlength: 32, placeholder: t("optional") });
      fields.push(field("nickName", t("nickName"), this.inputs.nickName));
    }
    this.button = h("button", { type: "submit", class: "button button-strong button-wide" }, t(registering ? "register" : "signIn"));
    this.form.replaceChildren(...fields, this.status, this.button);
  }

  drawTrial() {
    if (recall(TRY_REFUSED, "sessionStorage")) return;
    this.tryButton = h("button", { type: "button", class: "button button-wide", onclick: () => this.tryAtOnce() }, t("tryAtOnce"));
    this.trial.replaceChildren(this.tryButton, h("p", { class: "hint" }, t("tryHint")));
  }

  async submit() {
    const { email, password, nickName } = this.inputs;
    const empty = [email, password].find((input) => input.value.trim() === "");
    if (empty) {
      empty.focus();
      return;
    }
    const body = { email: email.value.trim(), password: password.value };
    if (nickName?.value.trim()) body.nickName = nickName.value.trim();
    await this.enter(`/api/auth/${this.mode}`, body, this.button);
  }

  async tryAtOnce() {
    const code = recall(TRY_CODE, "localStorage") ?? `try-${randomId()}`;
    remember(TRY_CODE, code, "localStorage");
    const error = await this.enter("/api/auth/wechat-login", { code }, this.tryButton);
    // A real WeChat refuses a code of our own making: then there is nothing to try here.
    if (error instanceof ApiError && [400, 401, 403, 404, 422, 503].includes(error.status)) {
      remember(TRY_REFUSED, "1", "sessionStorage");
      this.trial.replaceChildren();
      this.status.textContent = t("tryRefused");
    }
  }

  async enter(path, body, button) {
    button.disabled = true;
    this.clearErrors();
    try {
      const data = await call("POST", path, body, { anonymous: true });
      takeTokens(data);
      this.onSignedIn();
      return null;
    } catch (error) {
      this.showError(error);
      return error;
    } finally {
      button.disabled = false;
    }
  }

  clearErrors() {
    this.status.textContent = "";
    for (const input of Object.values(this.inputs)) {
      input.removeAttribute("aria-invalid");
      input.parentElement.querySelector(".field-error").textContent = "";
    }
  }

  showError(error) {
    const fields = (error instanceof ApiError && error.data?.fields) || [];
    let shown = false;
    for (const { field: name, message } of fields) {
      const input = this.inputs[name];
      if (!input) continue;
      input.setAttribute("aria-invalid", "true");
      input.parentElement.querySelector(".field-error").textContent = message;
      if (!shown) input.focus();
      shown = true;
    }
    if (!shown) this.status.textContent = errorText(error);
  }
}

function field(name, label, input, hint) {
  input.id = `field-${name}`;
  input.name = name;
  input.classList.add("field-input");
  input.setAttribute("aria-describedby", `error-${name}`);
  return h(
    "div",
    { class: "field" },
    h("label", { for: input.id }, label),
    input,
    hint && h("p", { class: "hint" }, hint),
    h("p", { class: "field-error", id: `error-${name}` }),
  );
}
