"use strict";

/* The page itself: asks whether the form may be shown, helps while one types, sends, and forgets. */

(function () {
  const REST = 400; // milliseconds without a key before the summary is read aloud
  const FAREWELL = 1500; // milliseconds for reading that it is done

  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const form = at("form");
  const password = at("password");
  const again = at("again");
  const show = at("show");
  let lang = document.documentElement.lang;
  let minimum = data.minimum;
  let ticket = "";
  let sending = false;
  let resting = 0;

  const say = (key) => data.texts[lang][key];

  /* An element says a text of ours, in either language; or the server's words, as they are. */
  function speak(element, key, words, wordsLang) {
    if (key) element.dataset.say = key;
    else delete element.dataset.say;
    element.textContent = key ? say(key) : words;
    if (wordsLang) element.lang = wordsLang;
    else if (element.id !== "language") element.removeAttribute("lang");
  }

  function speakAll() {
    document.documentElement.lang = lang;
    document.title = say("page.title");
    at("language").lang = lang === "fr" ? "en" : "fr";
    for (const element of document.querySelectorAll("[data-say]")) {
      element.textContent = say(element.dataset.say);
    }
    at("status").textContent = "";
  }

  at("language").addEventListener("click", function () {
    lang = lang === "fr" ? "en" : "fr";
    speakAll();
  });

  /* ---- while one types ---- */

  function look() {
    const found = Rules.check(password.value, minimum);
    for (const line of document.querySelectorAll("#rules li")) {
      const met = found.met.includes(line.dataset.rule);
      line.classList.toggle("met", met);
      line.querySelector(".sign").textContent = met ? "✓" : "○";
      speak(line.querySelector(".state"), met ? "page.met" : "page.not_met");
    }
    const score = password.value ? Rules.strength(password.value) : -1;
    const bars = document.querySelectorAll(".meter span");
    bars.forEach((bar, n) => bar.classList.toggle("full", n <= score));
    at("strength").classList.toggle("unknown", score < 0);
    speak(at("strength").querySelector(".words"), "page.strength." + Math.max(score, 0));
    return found;
  }

  function summary() {
    if (!password.value) return "";
    const missing = look().missing.map((rule) => say("rule." + rule));
    const rules = missing.length ? say("page.still_missing") + " " + missing.join(", ") + "." : say("page.all_met");
    return rules + " " + at("strength").textContent.trim();
  }

  form.addEventListener("input", function (event) {
    look();
    for (const field of event.target === password ? [password, again] : [again]) right(field);
    clearTimeout(resting);
    at("status").textContent = "";
    resting = setTimeout(() => { at("status").textContent = summary(); }, REST);
  });

  /* ---- show and hide: both fields, the caret where it was ---- */

  function reveal(visible) {
    for (const field of [password, again]) {
      const start = field.selectionStart;
      const end = field.selectionEnd;
      field.type = visible ? "text" : "password";
      if (field === document.activeElement) field.setSelectionRange(start, end);
    }
    show.setAttribute("aria-pressed", String(visible));
    speak(show, visible ? "page.hide" : "page.show");
  }

  show.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  show.addEventListener("click", () => reveal(password.type === "password"));

  /* ---- what is wrong, beside its field ---- */

  function wrong(field, key, words, wordsLang) {
    const line = at(field.id + "-error");
    speak(line, key, words, wordsLang);
    line.hidden = false;
    field.setAttribute("aria-invalid", "true");
    field.parentNode.classList.add("wrong");
    field.focus();
  }

  function right(field) {
    at(field.id + "-error").hidden = true;
    field.removeAttribute("aria-invalid");
    field.parentNode.classList.remove("wrong");
    at("error").hidden = true;
  }

  /* ---- to the server and back ---- */

  async function ask(what, body) {
    try {
      const response = await fetch("password/" + what + "?lang=" + lang, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
      });
      const answer = await response.json();
      if (answer.cause) answer.key = "page." + answer.cause;
      return answer;
    } catch (error) {
      return { outcome: "later", key: "page.offline", cause: "offline" };
    }
  }

  async function open() {
    at("end").hidden = true;
    at("opening").hidden = false;
    const answer = Bridge.init
      ? await ask("open", { init: Bridge.init })
      : { outcome: "gone", key: "page.unproved" };
    at("opening").hidden = true;
    if (answer.outcome !== "open") return end(answer);
    ticket = answer.ticket;
    minimum = answer.minimum;
    at("username").value = answer.identifier;
    form.hidden = false;
    look();
    password.focus();
  }

  form.addEventListener("submit", async function (event) {
    event.preventDefault();
    if (sending) return;
    reveal(false);
    right(password);
    right(again);
    const found = look();
    if (found.tooLong) return wrong(password, "refused.password_too_long");
    if (found.missing.length) return wrong(password, "page.incomplete");
    if (Rules.canonical(password.value) !== Rules.canonical(again.value)) return wrong(again, "page.different");
    busy(true);
    const answer = await ask("choose", {
      init: Bridge.init,
      ticket: ticket,
      password: password.value,
      again: again.value,
    });
    busy(false);
    if (answer.outcome === "again") return wrong(password, answer.key, answer.text, answer.lang);
    if (answer.outcome === "later") {
      speak(at("error"), answer.key, answer.text, answer.lang);
      at("error").hidden = false;
      return at("submit").focus();
    }
    end(answer);
  });

  function busy(now) {
    sending = now;
    at("submit").setAttribute("aria-disabled", String(now));
    speak(at("submit"), now ? "page.sending" : "page.submit");
  }

  /* ---- the end: nothing that was typed is left ---- */

  function forget() {
    clearTimeout(resting);
    for (const field of [password, again, at("username")]) if (field) field.value = "";
    form.remove();
    ticket = "";
  }

  function end(answer) {
    const taken = answer.outcome === "taken";
    const retry = answer.outcome === "later" && Boolean(answer.cause);
    if (!retry) forget();
    if (taken) speak(at("title"), "page.taken_title");
    speak(at("end-text"), answer.key, answer.text, answer.lang);
    at("end-text").classList.toggle("taken", taken);
    at("retry").hidden = !retry;
    at("close").hidden = !Bridge.init; // only Telegram closes it from here
    at("end").hidden = false;
    at("end-text").focus();
    if (taken) setTimeout(Bridge.close, FAREWELL);
  }

  at("retry").addEventListener("click", open);
  at("close").addEventListener("click", Bridge.close);
  window.addEventListener("pagehide", forgetTyped);

  function forgetTyped() {
    password.value = "";
    again.value = "";
  }

  Bridge.begin(function () {
    forgetTyped();
    Bridge.close();
  });
  open();
})();
